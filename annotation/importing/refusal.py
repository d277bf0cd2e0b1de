"""Why a row is refused: a fixed kind to count by, and what exactly was found."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """The kinds of bad rows."""

    WRONG_FILE = "not a file that can be read here"
    TOO_MUCH = "the file holds more than an import may read"
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
    SCORES_DISAGREE = "its scores do not prefer the chosen answer"


class RowRefused(Exception):
    """This row cannot be taken."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """A refused row and its place; line 0 is the file, or the folder, as a whole."""

    line: int
    reason: Reason
    detail: str
    where: str = "line"
    """What `line` counts: "line", "row", or those of a folder's file, as in "train.parquet, row"."""

    def __str__(self) -> str:
        what = f"{self.reason.value}: {self.detail}" if self.detail else self.reason.value
        if self.line:
            return f"{self.where} {self.line}: {what}"
        file = self.where.rpartition(", ")[0]
        return f"{file}: {what}" if file else what
