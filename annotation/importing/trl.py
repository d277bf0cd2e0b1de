"""TRL's preference forms: `{"prompt", "chosen", "rejected"}`, as texts or as lists of messages.

Lists may repeat the prompt, and may stand without one (then it is what both begin with). Compared is the last
message of each, words or a call of a tool; all before it must be the same. Text without a
prompt is refused: nobody can tell where the answer begins. There is no strength: every pair becomes
"better", unless the row has one of Accord's, as our own export does. Where a row has `score_chosen` and
`score_rejected` the chosen answer's must be the higher one.
"""

from typing import Literal

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
    text_field,
)
from annotation.importing.refusal import Reason, RowRefused
from annotation.records import Message, PreferenceRecord, RankedResponse, Strength

STRENGTH = Strength.BETTER
ANNOTATOR = "trl"
MODEL = "unknown"
Answer = tuple[object, bool]
"""What it says, and whether it is for a tool to run."""


def parse(fields: Fields) -> PreferenceRecord:
    """One row as a record. Raises RowRefused."""
    prompt = _prompt(fields.get("prompt"))
    chosen_context, chosen = _answer(fields.get("chosen"), prompt, "chosen")
    rejected_context, rejected = _answer(fields.get("rejected"), prompt, "rejected")
    if chosen_context != rejected_context:
        raise RowRefused(Reason.DIFFERENT_CONTEXTS, "before the last answer")
    check_context(chosen_context)
    responses = (
        _response(chosen, "chosen", fields),
        _response(rejected, "rejected", fields),
    )
    check_different(responses)
    _check_scores(fields.get("score_chosen"), fields.get("score_rejected"))
    named = content_digest(
        [message.model_dump() for message in chosen_context],
        *(answer if answer[1] else answer[0] for answer in (chosen, rejected)),
    )
    return PreferenceRecord(
        id=text_field(fields, "id", default=f"trl-{named}", max_characters=ID_CHARACTERS),
        domain=text_field(fields, "domain", default="general", max_characters=NAME_CHARACTERS),
        language=text_field(fields, "language", default="en", max_characters=LANGUAGE_CHARACTERS),
        round=0,
        context=chosen_context,
        responses=responses,
        strength=_strength(fields.get("strength")),
        annotator=ANNOTATOR,
        created="",
    )


def _response(answer: Answer, origin: Literal["chosen", "rejected"], fields: Fields) -> RankedResponse:
    """The answer with what is unsafe in it, as our own export says it."""
    name = f"{origin}_safety"
    content, tool_call = answer
    return RankedResponse(
        content=check_content(content, origin),
        model=MODEL,
        origin=origin,
        tool_call=tool_call,
        safety=parse_safety(fields.get(name), name),
    )


def _prompt(value: object) -> tuple[Message, ...]:
    """The prompt's messages; none where the row has no prompt."""
    if value is None:
        return ()
    if isinstance(value, str):
        return parse_messages([{"role": "user", "content": value}], "prompt")
    return parse_messages(value, "prompt")


def _answer(value: object, prompt: tuple[Message, ...], name: str) -> tuple[tuple[Message, ...], Answer]:
    """All messages before the last answer, and the answer."""
    if value is None:
        raise RowRefused(Reason.MISSING, name)
    if not isinstance(value, list):
        if not prompt:
            raise RowRefused(Reason.UNKNOWN_FORMAT, f"{name} is text without a prompt: where does it begin?")
        return prompt, (value, False)
    messages = parse_messages(value, name)
    if not messages or messages[-1].role != "assistant":
        raise RowRefused(Reason.EMPTY_RESPONSE, f"{name} ends with no message of the assistant")
    *before, last = messages
    repeats_prompt = tuple(before[: len(prompt)]) == prompt
    return tuple(before) if repeats_prompt else (*prompt, *before), (last.content, last.tool_call)


def _check_scores(chosen: object, rejected: object) -> None:
    if not isinstance(chosen, int | float) or not isinstance(rejected, int | float):
        return
    if not chosen > rejected:
        raise RowRefused(Reason.SCORES_DISAGREE, f"{chosen} for it, {rejected} for the rejected one")


def _strength(value: object) -> Strength:
    if value is None:
        return STRENGTH
    if not isinstance(value, str) or value not in list(Strength):
        raise RowRefused(Reason.UNKNOWN_STRENGTH, repr(value)[:NAME_CHARACTERS])
    return Strength(value)
