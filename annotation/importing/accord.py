"""Accord's own preference records (JSONL), as exported, or made of other sets by a script.

Only `context`, `responses` and `strength` must be there. A record without an id is named by its content;
fields that Accord does not know are passed over.
"""

from datetime import datetime

from annotation.importing.fields import (
    ID_CHARACTERS,
    LANGUAGE_CHARACTERS,
    NAME_CHARACTERS,
    Fields,
    check_content,
    check_context,
    check_different,
    content_digest,
    parse_messages,
    parse_safety,
    parse_tool_call,
    text_field,
)
from annotation.importing.refusal import Reason, RowRefused
from annotation.records import Message, PreferenceRecord, RankedResponse, Strength

MAX_ROUND = 2**31 - 1
RANKINGS = (["chosen", "rejected"], ["edited", "chosen", "rejected"])


def parse(fields: Fields) -> PreferenceRecord:
    """One row as a record. Raises RowRefused."""
    context = parse_messages(fields.get("context"), "context")
    check_context(context)
    responses = _responses(fields.get("responses"))
    strength = _strength(fields.get("strength"))
    annotator = text_field(fields, "annotator", default="unknown", max_characters=NAME_CHARACTERS)
    return PreferenceRecord(
        id=_id(fields, context, responses, strength, annotator),
        domain=text_field(fields, "domain", default="general", max_characters=NAME_CHARACTERS),
        language=text_field(fields, "language", default="en", max_characters=LANGUAGE_CHARACTERS),
        round=_round(fields.get("round")),
        context=context,
        responses=responses,
        strength=strength,
        annotator=annotator,
        created=_created(fields.get("created")),
    )


def _responses(value: object) -> tuple[RankedResponse, ...]:
    if not isinstance(value, list):
        raise RowRefused(Reason.MISSING if value is None else Reason.WRONG_TYPE, "responses")
    responses = tuple(_response(item, f"responses[{index}]") for index, item in enumerate(value))
    if [response.origin for response in responses] not in RANKINGS:
        raise RowRefused(
            Reason.WRONG_RESPONSES, "they must be chosen, rejected or edited, chosen, rejected, best first"
        )
    if responses[0].origin == "edited" and responses[0].tool_call != responses[1].tool_call:
        raise RowRefused(Reason.WRONG_RESPONSES, "of an edit and what it edits only one calls a tool")
    check_different(responses)
    return responses


def _response(value: object, name: str) -> RankedResponse:
    if not isinstance(value, dict):
        raise RowRefused(Reason.WRONG_TYPE, f"{name} is no response")
    origin = value.get("origin")
    if origin not in ("edited", "chosen", "rejected"):
        raise RowRefused(Reason.WRONG_RESPONSES, f"{name} has the origin {origin!r}"[:NAME_CHARACTERS])
    return RankedResponse(
        content=check_content(value.get("content"), name),
        model=text_field(value, "model", default="unknown", max_characters=NAME_CHARACTERS),
        origin=origin,
        tool_call=parse_tool_call(value, name),
        safety=parse_safety(value.get("safety"), f"{name}.safety"),
    )


def _strength(value: object) -> Strength:
    if value is None:
        raise RowRefused(Reason.MISSING, "strength")
    if not isinstance(value, str) or value not in list(Strength):
        raise RowRefused(Reason.UNKNOWN_STRENGTH, repr(value)[:NAME_CHARACTERS])
    return Strength(value)


def _round(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_ROUND:
        raise RowRefused(Reason.WRONG_TYPE, "round is no number from 0 up")
    return value


def _created(value: object) -> str:
    """The time as given, or "" where nobody knows."""
    if value is None or value == "":
        return ""
    try:
        datetime.fromisoformat(value if isinstance(value, str) else "")
    except ValueError as error:
        raise RowRefused(Reason.WRONG_TYPE, "created is no time like 2026-01-31T12:00:00+00:00") from error
    return str(value)


def _id(
    fields: Fields,
    context: tuple[Message, ...],
    responses: tuple[RankedResponse, ...],
    strength: Strength,
    annotator: str,
) -> str:
    given = fields.get("id")
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    named = content_digest(
        [message.model_dump() for message in context],
        [response.model_dump() for response in responses],
        strength.value,
        annotator,
    )
    return text_field(fields, "id", default=f"accord-{named}", max_characters=ID_CHARACTERS)
