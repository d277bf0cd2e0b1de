"""Checks that all formats share: typed fields, contexts that alternate, rankings that say something."""

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from annotation.importing.refusal import Reason, RowRefused
from annotation.records import Message, RankedResponse, Role
from annotation.text import storable

ROLES = get_args(Role)
NAME_CHARACTERS = 100
ID_CHARACTERS = 160
"""Less than the column holds: room for what tells two records of one id apart."""
LANGUAGE_CHARACTERS = 35
DIGEST_CHARACTERS = 16

Fields = Mapping[str, Any]  # Any: JSON of someone else


def text_field(fields: Fields, name: str, *, default: str | None = None, max_characters: int) -> str:
    """A short text; absent, null or empty gives the default. Raises RowRefused."""
    value = fields.get(name)
    if value is None or value == "":
        if default is None:
            raise RowRefused(Reason.MISSING, name)
        return default
    if not isinstance(value, str):
        raise RowRefused(Reason.WRONG_TYPE, f"{name} is no text")
    if len(value) > max_characters:
        raise RowRefused(Reason.TOO_LARGE, f"{name} has more than {max_characters} characters")
    if not storable(value):
        raise RowRefused(Reason.NOT_STORABLE, name)
    return value


def parse_messages(value: object, name: str) -> tuple[Message, ...]:
    """Messages with a known role and a content. Raises RowRefused."""
    if not isinstance(value, list):
        raise RowRefused(Reason.WRONG_TYPE, f"{name} is no list of messages")
    return tuple(_message(item, f"{name}[{index}]") for index, item in enumerate(value))


def parse_safety(value: object, name: str) -> tuple[str, ...]:
    """The categories in which a response is unsafe, each once; none where there is no value."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise RowRefused(Reason.WRONG_TYPE, f"{name} is no list of categories")
    return tuple(
        text_field({"category": each}, "category", default="", max_characters=NAME_CHARACTERS)
        for each in dict.fromkeys(value)
    )


def parse_tool_call(value: Fields, name: str) -> bool:
    """Whether a message or a response is for a tool to run; absent and null say that it is not."""
    tool_call = value.get("tool_call")
    if tool_call is None:
        return False
    if not isinstance(tool_call, bool):
        raise RowRefused(Reason.WRONG_TYPE, f"tool_call of {name} is true or false, true for the assistant")
    return tool_call


def check_context(context: Sequence[Message]) -> None:
    """At most one system message, first; then people (or tools) and assistant in turn, the latter not last.

    Raises RowRefused.
    """
    for message in context:
        if not message.content.strip():
            raise RowRefused(Reason.EMPTY_MESSAGE, f"a message of the {message.role}")
    turns = context[1:] if context and context[0].role == "system" else context
    if not turns or turns[-1].role in ("assistant", "system"):
        raise RowRefused(Reason.BAD_CONTEXT, "it must end with a user's message")
    for before, after in itertools.pairwise(turns):
        if before.role == after.role:
            raise RowRefused(Reason.SAME_SPEAKER_TWICE, after.role)
    if turns[0].role != "user":
        raise RowRefused(Reason.BAD_CONTEXT, f"it begins with the {turns[0].role}")
    for before, after in itertools.pairwise(turns):
        if after.role == "system" or (after.role != "assistant" and before.role != "assistant"):
            raise RowRefused(Reason.BAD_CONTEXT, f"the {after.role} speaks after the {before.role}")


def check_content(content: object, name: str) -> str:
    """A response's text, which may not be empty. Raises RowRefused."""
    if not isinstance(content, str):
        raise RowRefused(Reason.WRONG_TYPE, f"{name} is no text")
    if not content.strip():
        raise RowRefused(Reason.EMPTY_RESPONSE, name)
    if not storable(content):
        raise RowRefused(Reason.NOT_STORABLE, name)
    return content


def check_different(responses: Sequence[RankedResponse]) -> None:
    """No two responses of one record say the same to the same. Raises RowRefused."""
    if len({(response.content.strip(), response.tool_call) for response in responses}) != len(responses):
        raise RowRefused(Reason.IDENTICAL_RESPONSES)


def content_digest(*parts: Any) -> str:
    """A short name for JSON content: the same content has the same name everywhere."""
    text = json.dumps(parts, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:DIGEST_CHARACTERS]


def _message(value: object, name: str) -> Message:
    if not isinstance(value, dict):
        raise RowRefused(Reason.WRONG_TYPE, f"{name} is no message")
    role, content = value.get("role"), value.get("content")
    if role is None or content is None:
        raise RowRefused(Reason.MISSING, f"{name} needs a role and a content")
    if role not in ROLES:
        raise RowRefused(Reason.UNKNOWN_ROLE, repr(role)[:NAME_CHARACTERS])
    if not isinstance(content, str):
        raise RowRefused(Reason.WRONG_TYPE, f"the content of {name} is no text")
    if not storable(content):
        raise RowRefused(Reason.NOT_STORABLE, name)
    tool_call = parse_tool_call(value, name)
    if tool_call and role != "assistant":
        raise RowRefused(Reason.WRONG_TYPE, f"tool_call of {name} is true or false, true for the assistant")
    return Message(role=role, content=content, tool_call=tool_call)
