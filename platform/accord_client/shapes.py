"""What the server says, typed. Fields that a newer server adds are passed over."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

Side = Literal["left", "right"]
Strength = Literal["significantly_better", "better", "slightly_better", "marginally_better"]
FlagReason = Literal["unsafe", "personal_data", "broken", "other"]
Format = Literal["accord", "trl"]
Encoding = Literal["jsonl", "jsonl.gz", "parquet"]


class Shape(BaseModel):
    """The base of all: frozen."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Project(Shape):
    """A project that the caller may see."""

    slug: str
    name: str
    description: str
    guidelines: str
    """Markdown."""
    current_round: int
    overlap: int
    lease_seconds: int


class Message(Shape):
    """One message of a context."""

    role: str
    content: str


class Answer(Shape):
    """One of two answers."""

    content: str
    tool_call: bool = False
    """Whether it is for a tool to run."""


class Comparison(Shape):
    """Two answers in the caller's hands until `expires_at`."""

    id: int
    lease: UUID
    expires_at: datetime
    dialog: int
    turn: int
    context: tuple[Message, ...]
    left: Answer
    right: Answer
    draft: dict[str, Any]  # Any: what was kept with `draft`


class Safety(Shape):
    """What is unsafe in each answer, by the project's categories."""

    left: tuple[str, ...] = ()
    right: tuple[str, ...] = ()


class Judgement(Shape):
    """A judgement as the server keeps it."""

    id: int
    comparison: int
    preferred: Side
    strength: Strength
    edited: str | None
    reasons: tuple[str, ...]
    comment: str
    seconds: float | None
    created: datetime
    safety: Safety = Safety()


class ManifestFile(Shape):
    """One file of an export."""

    name: str
    bytes: int
    sha256: str


class Manifest(Shape):
    """What an export holds. Counts by round, domain and strength are of judgements."""

    accord: str
    schema_version: int
    project: str
    format: Format
    encoding: Encoding
    filter: dict[str, Any]  # Any: JSON
    judgements: int
    rows: int
    files: tuple[ManifestFile, ...]
    by_round: dict[str, int]
    by_domain: dict[str, int]
    by_strength: dict[str, int]
