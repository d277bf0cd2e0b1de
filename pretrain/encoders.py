"""Chooses how a folder's model reads dialogs: our own protocol, or the chat template of someone else's.

Comes in: a tokenizer's or checkpoint's folder. Goes out: an Encoder, the one interface that the training
programs, sampling and the clients of deployed models know.
"""

import hashlib
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from pretrain.chat_template import TEMPLATE_FILES, read_template
from pretrain.dialog import CHAT_TEMPLATE, DialogEncoder, EncodedTurn, MessageLike, ReadResponse
from pretrain.foreign_dialog import TemplateEncoder

FILES = ("tokenizer.json", *TEMPLATE_FILES, "special_tokens_map.json", "generation_config.json")
"""What an encoder is made of."""

MOST_ENCODERS = 8
"""Kept by one process."""

EARLIER_TEMPLATES = {"37d1cecb447657fe4d46c28346207f5722a01f36eddd7f346252ce650c92856e"}
"""SHA-256 of templates that we wrote before: checkpoints with them speak our protocol."""


class Encoder(Protocol):
    """Turns dialogs into the token ids and masks of one model."""

    @property
    def begin_of_text_id(self) -> int | None:
        """None where the tokenizer has no such token."""

    @property
    def end_of_text_id(self) -> int: ...

    @property
    def pad_id(self) -> int: ...

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """The tokens that end a generated answer."""

    @property
    def vocabulary_size(self) -> int: ...

    def encode_context(self, messages: Sequence[MessageLike]) -> list[int]:
        """What a policy is asked to continue."""

    def encode_dialog(self, messages: Sequence[MessageLike]) -> list[int]:
        """A dialog whole, with no beginning of an answer to come."""

    def encode_dialogs(self, dialogs: Sequence[Sequence[MessageLike]]) -> list[list[int]]:
        """`encode_dialog` of each."""

    def encode_response(
        self,
        content: str,
        *,
        tool_call: bool = False,
        goes_on: bool = False,
        context: Sequence[MessageLike] = (),
    ) -> tuple[list[int], list[bool]]:
        """A response's ids after its context with the token that ends it, and a mask of format tokens."""

    def read_response(self, ids: Sequence[int]) -> ReadResponse:
        """A generated response and the token at which it stopped: what `encode_response` would be told."""

    def encode_turn(
        self, messages: Sequence[MessageLike], context: Sequence[MessageLike] = ()
    ) -> EncodedTurn:
        """A response of several messages."""

    def encode_documents(self, texts: Sequence[str]) -> list[list[int]]:
        """Plain texts with their beginning and end."""

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`, special tokens left out."""

    def token_text(self, token_id: int) -> str:
        """What one token stands for, to show it."""


def encoder_for(folder: Path) -> Encoder:
    """The encoder of a folder: the protocol's where the chat template is ours or there is none.

    A large tokenizer takes seconds to read, so a process reads a folder again only when its files changed.
    Raises ProgramError with what to do where neither the protocol nor the template can be used.
    """
    return _read(Path(folder).resolve(), _stamps(Path(folder)))


def speaks_protocol(folder: Path) -> bool:
    """Whether the folder's dialogs have our own form and no chat template of someone else's."""
    template = read_template(folder)
    if template is None or template == CHAT_TEMPLATE:
        return True
    return hashlib.sha256(template.encode()).hexdigest() in EARLIER_TEMPLATES


@lru_cache(maxsize=MOST_ENCODERS)
def _read(folder: Path, stamps: tuple[tuple[int, int] | None, ...]) -> Encoder:
    """The encoder of a folder whose files bear these stamps."""
    return (
        DialogEncoder.from_folder(folder) if speaks_protocol(folder) else TemplateEncoder.from_folder(folder)
    )


def _stamps(folder: Path) -> tuple[tuple[int, int] | None, ...]:
    """When each file was written and how long it is; None where there is none."""
    found = [folder / name for name in FILES]
    return tuple((file.stat().st_mtime_ns, file.stat().st_size) if file.is_file() else None for file in found)
