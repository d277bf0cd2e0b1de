"""A judge behind an OpenAI-compatible endpoint: questions out, scores back.

Comes in: examples and where the judge answers. Goes out: Judgements, appended to a file one by one, so that a
killed program asks nothing twice. A reply that cannot be used leaves its example unjudged; an endpoint that
does not answer ends the program.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import httpx
from pydantic import ValidationError

from alignment.programs import JudgeConfig
from alignment.quality.judging import (
    ChatMessage,
    Judgement,
    UnusableReply,
    difficulty_question,
    judgement_from,
    quality_question,
    scale_for,
)
from alignment.records import SftExample
from annotation.records import write_records
from pretrain.run import ProgramError

TIMEOUT = httpx.Timeout(120.0, connect=10.0)
MAX_REPLY_TOKENS = 512
NUM_TRIES = 6
FIRST_PAUSE_SECONDS = 0.5
"""Doubled after each try: 15 s in all."""
TRANSIENT_STATUSES = {408, 429, 500, 502, 503, 504}


def judge_all(
    config: JudgeConfig,
    examples: Sequence[SftExample],
    domains: Mapping[str, str],
    out: Path,
    *,
    on_progress: Callable[[int], None] = lambda done: None,
    sleep: Callable[[float], None] = time.sleep,
) -> dict[str, Judgement]:
    """What the judge says of each example, by id; those without a usable reply are not in it.

    `domains`, by id, decide the scale. Judgements of these examples that lie in `out` are not asked again.
    Raises ProgramError where the judge does not answer.
    """
    found = read_judgements(out, {example.id for example in examples})
    left = [example for example in examples if example.id not in found]
    judge = Judge(config, sleep)
    on_progress(len(found))
    done = len(found)
    with judge, ThreadPoolExecutor(config.num_at_once) as pool, out.open("a", encoding="utf-8") as lines:
        asked = [pool.submit(judge.judgement, example, domains.get(example.id, "")) for example in left]
        try:
            for answer in as_completed(asked):
                judgement = answer.result()
                if judgement is not None:
                    found[judgement.id] = judgement
                    lines.write(judgement.model_dump_json() + "\n")
                    lines.flush()
                done += 1
                on_progress(done)
        finally:
            pool.shutdown(cancel_futures=True)
    return found


def read_judgements(path: Path, ids: set[str]) -> dict[str, Judgement]:
    """What an earlier run left for these ids; a line that a kill cut off is removed from the file."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        return {}
    found: dict[str, Judgement] = {}
    for line in path.read_bytes().splitlines():
        try:
            judgement = Judgement.model_validate_json(line)
        except ValidationError:
            continue
        if judgement.id in ids:
            found[judgement.id] = judgement
    write_records(path, found.values())
    return found


class Judge:
    """The endpoint. Any thread may ask it."""

    def __init__(self, config: JudgeConfig, sleep: Callable[[float], None]) -> None:
        headers = {}
        if config.key_file is not None:
            headers["Authorization"] = f"Bearer {read_key(config.key_file)}"
        self._config = config
        self._sleep = sleep
        self._server = httpx.Client(
            base_url=config.url.rstrip("/"),
            headers=headers,
            timeout=TIMEOUT,
            limits=httpx.Limits(max_connections=config.num_at_once),
        )

    def __enter__(self) -> "Judge":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    def judgement(self, example: SftExample, domain: str) -> Judgement | None:
        """The judge's scores, or None where its replies hold none. Raises ProgramError without a reply."""
        scale = scale_for(domain, self._config.code_domains)
        quality = self._reply(quality_question(example, scale))
        difficulty = self._reply(difficulty_question(example))
        try:
            return judgement_from(example, scale, quality, difficulty)
        except UnusableReply:
            return None

    def _reply(self, messages: list[ChatMessage]) -> str:
        """The judge's words; none where it refuses this question."""
        response = self._post(
            {
                "model": self._config.model,
                "messages": messages,
                "temperature": 0.0,
                "max_tokens": MAX_REPLY_TOKENS,
            }
        )
        if response.status_code == httpx.codes.BAD_REQUEST:
            return ""  # too long for it, or against its rules: this example stays unjudged
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
            "retry the stage, or launch with quality.judge left out."
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
