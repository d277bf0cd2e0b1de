"""Anthropic's hh form: `{"chosen", "rejected"}`, each a whole transcript of Human and Assistant.

The form has no strength: every pair becomes "better", the weaker of the two grades that train. It names
neither annotator nor models.
"""

import re

from annotation.importing.fields import (
    Fields,
    check_content,
    check_context,
    check_different,
    content_digest,
    parse_messages,
)
from annotation.importing.refusal import Reason, RowRefused
from annotation.records import Message, PreferenceRecord, RankedResponse, Strength

STRENGTH = Strength.BETTER
ANNOTATOR = "hh"
MODEL = "unknown"
SPEAKER = re.compile(r"\n\n(Human|Assistant):")
ROLES = {"Human": "user", "Assistant": "assistant"}


def is_transcript(value: object) -> bool:
    """Whether this text begins as a transcript does."""
    return isinstance(value, str) and SPEAKER.match(value) is not None


def parse(fields: Fields) -> PreferenceRecord:
    """One row as a record. Raises RowRefused."""
    chosen_context, chosen = _transcript(fields.get("chosen"), "chosen")
    rejected_context, rejected = _transcript(fields.get("rejected"), "rejected")
    if chosen_context != rejected_context:
        raise RowRefused(Reason.DIFFERENT_CONTEXTS, "before the last answer")
    if chosen_context and chosen_context[-1].role == "assistant":
        raise RowRefused(Reason.SAME_SPEAKER_TWICE, "assistant")
    check_context(chosen_context)
    responses = (
        RankedResponse(content=check_content(chosen, "chosen"), model=MODEL, origin="chosen"),
        RankedResponse(content=check_content(rejected, "rejected"), model=MODEL, origin="rejected"),
    )
    check_different(responses)
    named = content_digest([message.content for message in chosen_context], chosen, rejected)
    return PreferenceRecord(
        id=f"hh-{named}",
        domain="general",
        language="en",
        round=0,
        context=chosen_context,
        responses=responses,
        strength=STRENGTH,
        annotator=ANNOTATOR,
        created="",
    )


def _transcript(value: object, name: str) -> tuple[tuple[Message, ...], str]:
    """The messages before the last answer, and the answer."""
    if not isinstance(value, str):
        raise RowRefused(Reason.MISSING if value is None else Reason.WRONG_TYPE, name)
    _, *parts = SPEAKER.split(value)
    if not is_transcript(value) or not parts:
        raise RowRefused(Reason.UNKNOWN_FORMAT, f"{name} is no transcript of Human and Assistant")
    spoken = [
        {"role": ROLES[speaker], "content": content.strip()}
        for speaker, content in zip(parts[::2], parts[1::2], strict=True)
    ]
    *context, last = spoken
    if last["role"] != "assistant":
        raise RowRefused(Reason.EMPTY_RESPONSE, f"{name} ends with the Human")
    return parse_messages(context, name), last["content"]
