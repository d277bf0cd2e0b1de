"""Why a row is refused: a fixed kind to count by, and what exactly was found."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """The kinds of bad rows."""

    NOT_UTF8 = "not UTF-8"
    CUT_OFF = "the file is cut off or damaged"
    TOO_LONG = "the line is too long"
    NOT_JSON = "not JSON"
    NOT_AN_OBJECT = "not a JSON object"
    UNKNOWN_FORMAT = "in no known format"
    MISSING = "a field is missing"
    WRONG_TYPE = "a field has the wrong type"
    TOO_LARGE = "a field is too large"
    NOT_STORABLE = "text with NUL characters or broken Unicode"
    EMPTY_MESSAGE = "an empty message"
    UNKNOWN_ROLE = "unknown role"
    SAME_SPEAKER_TWICE = "the same speaker twice"
    BAD_CONTEXT = "a context that asks for no answer"
    EMPTY_RESPONSE = "empty response"
    IDENTICAL_RESPONSES = "identical responses"
    DIFFERENT_CONTEXTS = "the contexts differ"
    WRONG_RESPONSES = "responses that are no ranking"
    UNKNOWN_STRENGTH = "unknown strength"
    OTHER_CONTENT = "its id belongs to other content"


class RowRefused(Exception):
    """This row cannot be taken."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A refused row and its line."""

    line: int
    reason: Reason
    detail: str

    def __str__(self) -> str:
        what = f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value
        return f"line {self.line}: {what}"
