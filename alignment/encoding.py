"""Examples as token ids and masks: what the training programs learn from and what people are shown.

Comes in: records and an encoder. Goes out: a context and its responses as ids, with the masks of format
tokens. Pure: no torch, no Django, so that a page shows exactly what a program trains on.
"""

from dataclasses import dataclass

from alignment.records import SftExample
from annotation.records import Message, PreferenceRecord
from pretrain.encoders import Encoder
from pretrain.run import ProgramError


@dataclass(frozen=True, kw_only=True)
class EncodedExample:
    """One context and what may follow it."""

    context: list[int]
    """Up to and with the assistant's header."""
    responses: list[list[int]]
    """Best first, each with the token that ends it."""
    format_masks: list[list[bool]]
    """For each response, True where a token is of the dialog's form and not of what it says."""


def encode_preference(record: PreferenceRecord, encoder: Encoder) -> EncodedExample:
    """A judgement's ranked responses. Raises ProgramError where there is nothing to rank."""
    if len(record.responses) < 2:
        raise ProgramError("a preference record needs at least two responses, best first.")
    encoded = [
        encoder.encode_response(response.content, tool_call=response.tool_call, context=record.context)
        for response in record.responses
    ]
    return EncodedExample(
        context=encoder.encode_context(record.context),
        responses=[ids for ids, _ in encoded],
        format_masks=[mask for _, mask in encoded],
    )


def encode_sft(example: SftExample, encoder: Encoder) -> list[EncodedExample]:
    """Each message of the assistant's turn, and the response, as an answer to all that stands before it.

    So what tools answered within the turn is read and never learned.
    """
    turn = sft_turn(example)
    examples = []
    for place, message in enumerate(turn):
        if message.role != "assistant":
            continue
        before = (*example.context, *turn[:place])
        ids, mask = encoder.encode_response(
            message.content,
            tool_call=message.tool_call,
            goes_on=place + 1 < len(turn),
            context=before,
        )
        examples.append(
            EncodedExample(context=encoder.encode_context(before), responses=[ids], format_masks=[mask])
        )
    return examples


def sft_turn(example: SftExample) -> tuple[Message, ...]:
    """The assistant's turn whole, the response last."""
    response = Message(role="assistant", content=example.response, tool_call=example.tool_call)
    return (*example.turn, response)
