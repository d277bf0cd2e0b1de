"""Client of deployed models: asks vLLM's OpenAI-compatible server for completions of tokenised dialogs.

Dialogs are encoded here, by the checkpoint's own tokenizer, and sent as token ids: what looks like a special
token in somebody's message stays text. Pure: httpx and the dialog protocol, nothing of Django.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx

from accounts.errors import Unavailable
from pretrain.dialog import DialogEncoder, MessageLike

BATCH = 64
"""Contexts of one request: large enough that HTTP costs little, small enough to be answered in seconds."""
NUM_TRIES = 4
FIRST_WAIT_SECONDS = 0.5
TIMEOUT = httpx.Timeout(300.0, connect=5.0)


class ServerError(Unavailable):
    """The model's server cannot be asked; the sentence says what to do."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """One answer of a model."""

    content: str
    num_tokens: int
    finish: str
    """`stop` where the model ended its turn, `length` where it was cut off."""
    seconds: float
    """How long the request took that this answer came with."""


@lru_cache(maxsize=16)
def encoder_of(tokenizer_folder: Path) -> DialogEncoder:
    """The encoder of a checkpoint folder; folders are immutable, so it is read once."""
    return DialogEncoder.from_folder(tokenizer_folder)


class ChatClient:
    """Asks one deployment."""

    def __init__(self, base_url: str, served_name: str, tokenizer_folder: Path) -> None:
        self._base_url = base_url.rstrip("/")
        self._served_name = served_name
        self._encoder = encoder_of(Path(tokenizer_folder))

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
        """`n` answers for each context, in order. Raises ServerError where the server is away or refuses."""
        answers: list[list[Completion]] = []
        with httpx.Client(base_url=self._base_url, timeout=TIMEOUT) as http:
            for index, batch in enumerate(_batches(contexts)):
                body: dict[str, Any] = {  # Any: JSON
                    "model": self._served_name,
                    "prompt": [self._encoder.encode_context(context) for context in batch],
                    "n": n,
                    "temperature": temperature,
                    "top_p": top_p,
                    "max_tokens": max_tokens,
                    "stop_token_ids": [self._encoder.eot_id, self._encoder.eom_id],
                    "return_token_ids": True,
                }
                if seed is not None:
                    body["seed"] = seed + index
                started = time.monotonic()
                choices = self._post(http, body)["choices"]
                answers += self._read(choices, len(batch), n, time.monotonic() - started)
        return answers

    def _read(
        self,
        choices: list[dict[str, Any]],  # Any: JSON
        num_contexts: int,
        n: int,
        seconds: float,
    ) -> list[list[Completion]]:
        """The server's choices, grouped by context."""
        assert len(choices) == num_contexts * n, (len(choices), num_contexts, n)
        ordered = sorted(choices, key=lambda choice: int(choice["index"]))
        completions = [
            Completion(
                content=self._encoder.decode(choice["token_ids"]).strip(),
                num_tokens=len(choice["token_ids"]),
                finish="stop" if choice["finish_reason"] == "stop" else "length",
                seconds=seconds,
            )
            for choice in ordered
        ]
        return [completions[start : start + n] for start in range(0, len(completions), n)]

    def _post(self, http: httpx.Client, body: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
        """Send the request; try again while the server cannot be reached or is busy."""
        wait = FIRST_WAIT_SECONDS
        for attempt in range(1, NUM_TRIES + 1):
            try:
                answer = http.post("/v1/completions", json=body)
            except httpx.TransportError as error:
                if attempt == NUM_TRIES:
                    raise ServerError(
                        f"The model server at {self._base_url} does not answer ({type(error).__name__}): "
                        "see the models page for its state and log."
                    ) from error
            else:
                if answer.status_code == httpx.codes.OK:
                    read: dict[str, Any] = answer.json()
                    return read
                if answer.status_code < httpx.codes.INTERNAL_SERVER_ERROR or attempt == NUM_TRIES:
                    raise ServerError(
                        f"The model server at {self._base_url} refused: "
                        f"{answer.status_code} {answer.text[:300]}"
                    )
            time.sleep(wait)
            wait *= 2
        raise AssertionError("unreachable")


def _batches(contexts: Sequence[Sequence[MessageLike]]) -> Iterator[Sequence[Sequence[MessageLike]]]:
    for start in range(0, len(contexts), BATCH):
        yield contexts[start : start + BATCH]
