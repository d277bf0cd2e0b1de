"""An OpenAI-compatible endpoint that judges: messages out, words back.

Trouble that may pass is waited for; an endpoint that stays away ends the program with a sentence.
"""

import time
from collections.abc import Callable
from pathlib import Path

import httpx

from alignment.programs import JudgeConfig
from alignment.quality.judging import ChatMessage, Form
from alignment.sampling.outside_address import check_outside
from pretrain.run import ProgramError

TIMEOUT = httpx.Timeout(120.0, connect=10.0)
MAX_REPLY_TOKENS = 512
NUM_TRIES = 6
FIRST_PAUSE_SECONDS = 0.5
"""Doubled after each try: 15 s in all."""
OTHERWISE = "retry the stage, or launch with"
"""What to do beside mending a judge that a recipe names, up to the field to leave out."""
TRANSIENT_STATUSES = {408, 429, 500, 502, 503, 504}


class ChatEndpoint:
    """Where a judge answers. Any thread may ask it."""

    def __init__(
        self, config: JudgeConfig, *, otherwise: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        """`otherwise` ends the sentence of an endpoint that stays away: what to do beside mending it."""
        check_outside(config.url)
        headers = {}
        if config.key_file is not None:
            headers["Authorization"] = f"Bearer {read_key(config.key_file)}"
        self._config = config
        self._otherwise = otherwise
        self._sleep = sleep
        self._takes_forms = True
        self._server = httpx.Client(
            base_url=config.url.rstrip("/"),
            headers=headers,
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=config.num_at_once),
        )

    def __enter__(self) -> "ChatEndpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def reply(self, messages: list[ChatMessage], form: Form) -> str:
        """The judge's words; none where it refuses this question. Raises ProgramError without a reply.

        An endpoint that can hold its model to a JSON schema does; the others are asked without one.
        """
        asked = {
            "model": self._config.model,
            "messages": messages,
            "temperature": 0.0,
            "max_tokens": MAX_REPLY_TOKENS,
        }
        schema = {"name": "reply", "schema": form, "strict": True}
        held = {"response_format": {"type": "json_schema", "json_schema": schema}}
        response = self._post(asked | held if self._takes_forms else asked)
        if response.status_code == httpx.codes.BAD_REQUEST and self._takes_forms:
            response = self._post(asked)
            # Where it answers now, the form was what it did not understand.
            self._takes_forms = response.status_code == httpx.codes.BAD_REQUEST
        if response.status_code == httpx.codes.BAD_REQUEST:
            return ""  # too long for it, or against its rules: this question stays unanswered
        try:
            content = response.json()["choices"][0]["message"]["content"]
        except (ValueError, LookupError, TypeError) as error:
            raise self._away(f"what it said is no chat completion: {response.text[:100]!r}") from error
        return content if isinstance(content, str) else ""

    def _post(self, body: dict[str, object]) -> httpx.Response:
        """Ask, again after a pause where the trouble may pass."""
        trouble = ""
        for number in range(NUM_TRIES):
            if number:
                self._sleep(FIRST_PAUSE_SECONDS * 2 ** (number - 1))
            try:
                response = self._server.post("/chat/completions", json=body)
            except httpx.TransportError as error:
                trouble = f"{type(error).__name__} {error}".strip()
                continue
            if response.status_code in TRANSIENT_STATUSES:
                trouble = f"status {response.status_code}"
                continue
            if response.is_error and response.status_code != httpx.codes.BAD_REQUEST:
                raise self._away(f"status {response.status_code}: {response.text[:200]}")
            return response
        raise self._away(trouble)

    def _away(self, trouble: str) -> ProgramError:
        return ProgramError(
            f"The judge {self._config.model} at {self._config.url} does not answer ({trouble}): mend it and "
            f"{self._otherwise}"
        )


def read_key(path: Path) -> str:
    """The API key in a file. Raises ProgramError where there is none."""
    try:
        key = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ProgramError(
            f"The judge's key cannot be read from {path} ({error.strerror}): let JUDGE_KEY_FILE name a file "
            "with the key."
        ) from error
    if not key:
        raise ProgramError(f"{path} is empty: put the judge's API key into it.")
    return key
