"""Placeholders in the stead of personal data in the messages of a prompt or dialog."""

from collections.abc import Iterable

from annotation.records import Message
from pretrain.personal_data import Masker


def mask_messages(messages: Iterable[Message], masker: Masker) -> tuple[Message, ...]:
    """The messages with placeholders; `masker` counts them."""
    return tuple(message.model_copy(update={"content": masker.mask(message.content)}) for message in messages)
