"""The client of deployed models: dialogs in, answers out, over vLLM's OpenAI-compatible HTTP.

Prompts travel as token ids, encoded by the dialog protocol with the checkpoint's own tokenizer, so that a
deployed model reads exactly what it was trained on. Pure: HTTP and the `tokenizers` library, no database.
"""

import hashlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx

from accounts.errors import Invalid, Unavailable
from pretrain.dialog import MessageLike
from pretrain.encoders import encoder_for

BATCH_ANSWERS = 64
"""Answers asked for in one request."""

BATCHES_AT_ONCE = 4
"""With 64 answers each this fills a server's 256 places."""

SEEDED_AT_ONCE = 48
"""Requests under way when every prompt travels alone."""

TIMEOUT = httpx.Timeout(600.0, connect=5.0, pool=None)
"""Answers take their time; a server that is there accepts at once."""

IMPATIENT = httpx.Timeout(120.0, connect=5.0, pool=None)
"""While a person waits."""

NUM_TRIES = 5
FIRST_PAUSE_SECONDS = 0.25
"""Doubled after each try: 4 s in all, more than an exchange of weights takes."""

TRANSIENT_STATUSES = {502, 503, 504}
"""Answers of a proxy, or of a server whose weights are being exchanged."""

CHECKPOINT_HEADER = "Accord-Checkpoint"
"""The content hash of the checkpoint that is to answer; `alignment.sampling.gate` holds the server to it."""

TRANSIENT_ERRORS = (httpx.ConnectError, httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectTimeout)


class ModelAway(Unavailable):
    """The model's server does not answer; the sentence says what to do."""


class ModelReplaced(ModelAway):
    """The server answers for another checkpoint by now: a deploy has taken its place."""


class ModelRefused(Invalid):
    """The model's server will not answer this dialog, and says why."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """One answer of a deployed model."""

    content: str
    num_tokens: int
    """Tokens sampled, the one that ends the answer included."""
    finish: Literal["stop", "length"]
    tool_call: bool = False
    """Whether the answer is for a tool to run."""
    seconds: float
    """From asking to having it, with those it was asked for together with."""


class ChatClient:
    """One deployed model. Holds no connection between calls; any thread may use it.

    With `checkpoint`, a content hash, a server of ours answers with that checkpoint's weights or not at all.
    """

    def __init__(
        self,
        base_url: str,
        served_name: str,
        tokenizer_folder: Path,
        *,
        checkpoint: str = "",
        transport: httpx.BaseTransport | None = None,
        timeout: httpx.Timeout = TIMEOUT,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._base_url = base_url
        self._served_name = served_name
        self._encoder = encoder_for(tokenizer_folder)
        self._headers = {CHECKPOINT_HEADER: checkpoint} if checkpoint else {}
        self._transport = transport
        self._timeout = timeout
        self._sleep = sleep

    def complete(
        self,
        contexts: Sequence[Sequence[MessageLike]],
        *,
        n: int = 1,
        temperature: float = 1.0,
        top_p: float = 1.0,
        max_tokens: int,
        seed: int | None = None,
    ) -> list[list[Completion]]:
        """`n` answers to each context, in order.

        Without a seed contexts travel in batches: two to three times less work for everybody. With one,
        each context travels alone with a seed of its own, drawn from `seed`, the model's name and the
        context's place, and the same call gives the same answers; one seed for a whole batch would give
        all its contexts the same luck. Raises ModelAway when the server does not answer, ModelReplaced
        when it has other weights by now, ModelRefused when a context is too long for the model.
        """
        prompts = [self._encoder.encode_context(context) for context in contexts]
        size, at_once = (max(1, BATCH_ANSWERS // n), BATCHES_AT_ONCE) if seed is None else (1, SEEDED_AT_ONCE)
        batches = [range(start, min(start + size, len(prompts))) for start in range(0, len(prompts), size)]
        sampling = {"n": n, "temperature": temperature, "top_p": top_p, "max_tokens": max_tokens}
        limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
        with (
            httpx.Client(
                base_url=self._base_url,
                timeout=self._timeout,
                limits=limits,
                transport=self._transport,
                headers=self._headers,
            ) as server,
            ThreadPoolExecutor(max_workers=max(1, min(at_once, len(batches)))) as pool,
        ):

            def ask(batch: range) -> list[list[Completion]]:
                body = {
                    **sampling,
                    "prompt": [prompts[place] for place in batch],
                    "seed": None if seed is None else self._seed(seed, batch.start),
                }
                return self._ask(server, body, n)

            return [answers for found in pool.map(ask, batches) for answers in found]

    def answer(
        self,
        context: Sequence[MessageLike],
        *,
        temperature: float = 1.0,
        top_p: float = 1.0,
        max_tokens: int,
        seed: int | None = None,
    ) -> Completion:
        """One answer to one dialog. Raises what `complete` raises."""
        found = self.complete(
            [context], temperature=temperature, top_p=top_p, max_tokens=max_tokens, seed=seed
        )
        return found[0][0]

    def _ask(
        self,
        server: httpx.Client,
        body: dict[str, Any],  # Any: JSON
        n: int,
    ) -> list[list[Completion]]:
        """One request: `n` answers to each of its prompts."""
        began = time.monotonic()
        response = self._post(
            server,
            {
                **body,
                "model": self._served_name,
                "stop_token_ids": list(self._encoder.stop_ids),
                "return_token_ids": True,
            },
        )
        seconds = time.monotonic() - began
        choices = sorted(response.json()["choices"], key=lambda choice: choice["index"])
        assert len(choices) == n * len(body["prompt"]), (len(choices), n, len(body["prompt"]))
        answers = [self._completion(choice, seconds) for choice in choices]
        return [answers[start : start + n] for start in range(0, len(answers), n)]

    def _completion(self, choice: dict[str, Any], seconds: float) -> Completion:  # Any: JSON
        ids = choice["token_ids"]
        read = self._encoder.read_response(ids)
        return Completion(
            content=read.content,
            num_tokens=len(ids),
            finish="stop" if choice["finish_reason"] == "stop" else "length",
            tool_call=read.tool_call,
            seconds=seconds,
        )

    def _post(self, server: httpx.Client, body: dict[str, Any]) -> httpx.Response:  # Any: JSON
        """Ask, again after a pause where the trouble may pass. Raises ModelAway where it does not."""
        trouble = ""
        for number in range(NUM_TRIES):
            if number:
                self._sleep(FIRST_PAUSE_SECONDS * 2 ** (number - 1))
            try:
                response = server.post("/v1/completions", json=body)
            except TRANSIENT_ERRORS as error:
                trouble = f"{type(error).__name__} {error}".strip()
                continue
            except httpx.TimeoutException as error:
                raise self._away(f"no answer within {self._timeout.read:.0f} s") from error
            if response.status_code not in TRANSIENT_STATUSES:
                break
            trouble = f"status {response.status_code}"
        else:
            raise self._away(trouble)
        if response.status_code == httpx.codes.BAD_REQUEST:
            reason = response.json()["error"]["message"]
            raise ModelRefused(f"The model {self._served_name} cannot answer this dialog: {reason}")
        if response.status_code == httpx.codes.CONFLICT and self._headers:
            raise ModelReplaced(f"The model {self._served_name} was replaced by a deploy: ask the new one.")
        if response.is_error:
            raise self._away(f"status {response.status_code}: {response.text[:200]}")
        return response

    def _away(self, trouble: str) -> ModelAway:
        return ModelAway(
            f"The model {self._served_name} at {self._base_url} does not answer ({trouble}): "
            "see the deployment's log and deploy the model again."
        )

    def _seed(self, seed: int, place: int) -> int:
        digest = hashlib.sha256(f"{seed}:{self._served_name}:{place}".encode()).digest()
        return int.from_bytes(digest[:6], "big")
