"""The preference record: the form in which people's judgements travel, as JSON lines.

Pure: pydantic models and file reading, nothing of Django or torch. Import, export, snapshots and the
training programs all use these.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

RecordT = TypeVar("RecordT", bound="Record")

Role = Literal["system", "user", "assistant", "ipython"]


class Strength(StrEnum):
    """How strongly one response is preferred, strongest first (Llama 3, section 4.1)."""

    SIGNIFICANTLY_BETTER = "significantly_better"
    BETTER = "better"
    SLIGHTLY_BETTER = "slightly_better"
    MARGINALLY_BETTER = "marginally_better"


class Record(BaseModel):
    """The base of all records: frozen, unknown fields refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Message(Record):
    """One message of a dialog."""

    role: Role
    content: str
    tool_call: bool = Field(default=False, exclude_if=lambda tool_call: not tool_call)
    """Whether the content, the assistant's, is for a tool to run. Written only where it is so."""


class RankedResponse(Record):
    """One response of a preference record; its place in the list is its rank."""

    content: str
    model: str
    origin: Literal["edited", "chosen", "rejected"]
    tool_call: bool = Field(default=False, exclude_if=lambda tool_call: not tool_call)
    """Whether the content is for a tool to run. Written only where it is so."""
    safety: tuple[str, ...] = Field(default=(), exclude_if=lambda safety: not safety)
    """What the person said is unsafe in it, by the project's categories. Written only where they did."""
    checkpoint: str = Field(default="", exclude_if=lambda checkpoint: not checkpoint)
    """The content hash of the checkpoint that wrote it. Written only where it is known."""


class PreferenceRecord(Record):
    """One judgement: a context and its responses, best first (the design's preference record)."""

    id: str
    domain: str
    language: str
    round: int
    context: tuple[Message, ...]
    responses: tuple[RankedResponse, ...]
    strength: Strength
    annotator: str
    created: str


def read_records(path: Path, record_type: type[RecordT]) -> Iterator[RecordT]:
    """Records of a JSONL file in order. Raises pydantic's ValidationError on a broken line."""
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield record_type.model_validate_json(line)


def write_records(path: Path, records: Iterable[Record]) -> int:
    """Write `records` as JSONL, aside and then renamed; returns how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.writing")
    count = 0
    try:
        with aside.open("w", encoding="utf-8") as out:
            for record in records:
                out.write(record.model_dump_json() + "\n")
                count += 1
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    return count
