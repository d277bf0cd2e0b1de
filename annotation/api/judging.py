"""The HTTP API of annotation: projects, and the loop of a person or a program that judges.

Typed in and out; every error is `{"detail": sentence}`. Which models answered is never told here.
"""

import uuid
from datetime import datetime
from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Header, Path, Router, Schema, Status
from pydantic import AfterValidator, BaseModel, ConfigDict

from accounts.auth import request_user
from annotation.models import Assignment, Flag, Judgement, Project, Response, Side
from annotation.permissions import project_for, projects_of
from annotation.records import Strength
from annotation.services import (
    Verdict,
    comparison_flag,
    comparison_next,
    comparison_skip,
    draft_save,
    judgement_submit,
)
from annotation.services.checking import feedback_of
from annotation.services.safety import SafetyFlags, safety_of
from annotation.text import storable

router = Router(tags=["annotation"])

MAX_TEXT = 100_000
MAX_SECONDS = 24 * 3600
MAX_ID = 2**63 - 1


def text_storable(text: str) -> str:
    """Raises ValueError where the database cannot keep the text."""
    if not storable(text):
        raise ValueError("NUL characters and broken Unicode cannot be kept")
    return text


Text = Annotated[str, Field(max_length=MAX_TEXT), AfterValidator(text_storable)]
Label = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(text_storable)]
Key = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(text_storable)]
Reasons = Annotated[tuple[Label, ...], Field(max_length=50)]
Seconds = Annotated[float, Field(ge=0, le=MAX_SECONDS, allow_inf_nan=False)]
Id = Annotated[int, Path(ge=1, le=MAX_ID)]


# Those of the loop are pydantic's own, written by `_reply`: what django-ninja adds reads attributes of
# models, and took a tenth of the time of a request.


class SchemaIn(BaseModel):
    """What clients send: unknown fields are refused, so that a misspelt one is not lost in silence."""

    model_config = ConfigDict(extra="forbid")


class MessageOut(BaseModel):
    """One message of the context."""

    role: str
    content: str


class AnswerOut(BaseModel):
    """One of the two answers."""

    content: str
    tool_call: bool = False
    """Whether it is for a tool to run."""


class ComparisonOut(BaseModel):
    """A comparison in the caller's hands until `expires_at`."""

    id: int
    lease: uuid.UUID
    expires_at: datetime
    dialog: int
    turn: int
    context: list[MessageOut]
    left: AnswerOut
    right: AnswerOut
    draft: dict[str, Any]  # Any: as DraftIn


class NextOut(BaseModel):
    """The comparison handed out."""

    comparison: ComparisonOut


class SafetyIn(SchemaIn):
    """What is unsafe in each answer, by the project's categories."""

    left: Reasons = ()
    right: Reasons = ()


class SafetyOut(BaseModel):
    """What is unsafe in each answer."""

    left: list[str]
    right: list[str]


class JudgementIn(SchemaIn):
    """A person's word on a comparison; `edited` is the preferred answer as it should be."""

    lease: uuid.UUID
    preferred: Side
    strength: Strength
    edited: Text | None = None
    reasons: Reasons = ()
    comment: Text = ""
    seconds: Seconds | None = None
    safety: SafetyIn = SafetyIn()


class FeedbackOut(BaseModel):
    """How a judgement did whose right answer is known; `explanation` is Markdown."""

    is_right: bool
    preferred: Side
    weakest: Strength
    strongest: Strength
    explanation: str


class JudgementOut(BaseModel):
    """The judgement as it is kept; with feedback where it was a check and the project gives one."""

    id: int
    comparison: int
    preferred: Side
    strength: Strength
    edited: str | None
    reasons: list[str]
    comment: str
    seconds: float | None
    created: datetime
    safety: SafetyOut
    feedback: FeedbackOut | None


class DraftIn(SchemaIn):
    """What a person has chosen and typed so far; everything may still be open."""

    lease: uuid.UUID | None = None
    preferred: Side | None = None
    strength: Strength | None = None
    edited: Text | None = None
    reasons: Reasons = ()
    comment: Text = ""
    next_message: Text = ""
    """How the dialog is to go on once this is judged."""
    feedback: Text = ""
    """What the model is to change in the chosen answer, not yet sent."""
    seconds: Seconds | None = None
    safety: SafetyIn = SafetyIn()


class DraftOut(Schema):
    """How long the comparison stays with the person."""

    expires_at: datetime


class SkipIn(SchemaIn):
    """Why not this one, if the person says."""

    lease: uuid.UUID
    reason: Text = ""


class FlagIn(SchemaIn):
    """What is wrong with the comparison."""

    lease: uuid.UUID
    reason: Flag.Reason
    comment: Text = ""


class TagOut(Schema):
    """Something to choose: what is kept, and what people read."""

    value: str
    label: str


class ProjectOut(Schema):
    """A project that the caller may see."""

    slug: str
    name: str
    description: str
    guidelines: str
    current_round: int
    overlap: int
    lease_seconds: int
    reasons: list[TagOut]
    """Those that a judgement may give; none named: any."""
    safety_categories: list[TagOut]
    """How an answer may be called unsafe; none named: not at all."""
    guidelines_number: int
    """Which version the guidelines are."""


@router.get("/projects", response=list[ProjectOut])
def project_list(request: HttpRequest) -> list[Project]:
    """The caller's projects."""
    return list(projects_of(request_user(request)))


@router.get("/projects/{slug:slug}", response=ProjectOut)
def project_read(request: HttpRequest, slug: str) -> Project:
    """One project with its guidelines (Markdown)."""
    return project_for(request_user(request), slug)


@router.post("/projects/{slug:slug}/next", response={200: NextOut, 204: None})
def next_comparison(request: HttpRequest, slug: str) -> HttpResponse | Status[None]:
    """The comparison in hand, else a new one; 204 where there is none for the caller."""
    annotator = request_user(request)
    assignment = comparison_next(project_for(annotator, slug), annotator)
    return Status(204, None) if assignment is None else _reply(200, next_out(assignment))


@router.post("/comparisons/{comparison_id}/judgement", response={200: JudgementOut, 201: JudgementOut})
def judgement_create(
    request: HttpRequest,
    comparison_id: Id,
    body: JudgementIn,
    idempotency_key: Annotated[Key, Header(alias="Idempotency-Key")],
) -> HttpResponse:
    """Judge: 201, or 200 and the same judgement where this key has been used for it."""
    judgement, created = judgement_submit(
        comparison_id=comparison_id,
        annotator=request_user(request),
        lease=body.lease,
        idempotency_key=idempotency_key,
        verdict=Verdict(
            preferred=body.preferred,
            strength=body.strength,
            edited=body.edited,
            reasons=body.reasons,
            comment=body.comment,
            seconds=body.seconds,
            safety=SafetyFlags(left=body.safety.left, right=body.safety.right),
        ),
    )
    return _reply(201 if created else 200, _judgement_out(judgement))


@router.put("/comparisons/{comparison_id}/draft", response=DraftOut)
def draft_write(request: HttpRequest, comparison_id: Id, body: DraftIn) -> DraftOut:
    """Keep the draft, and the comparison in hand."""
    assignment = draft_save(
        comparison_id=comparison_id,
        annotator=request_user(request),
        draft=body.model_dump(mode="json", exclude={"lease"}),
    )
    return DraftOut(expires_at=assignment.expires_at)


@router.post("/comparisons/{comparison_id}/skip", response={204: None})
def skip(request: HttpRequest, comparison_id: Id, body: SkipIn) -> Status[None]:
    """Leave this one to others."""
    comparison_skip(
        comparison_id=comparison_id,
        annotator=request_user(request),
        lease=body.lease,
        reason=body.reason,
    )
    return Status(204, None)


@router.post("/comparisons/{comparison_id}/flag", response={204: None})
def flag(request: HttpRequest, comparison_id: Id, body: FlagIn) -> Status[None]:
    """Take this one out of everybody's hands, for a reviewer to look at."""
    comparison_flag(
        comparison_id=comparison_id,
        annotator=request_user(request),
        lease=body.lease,
        reason=body.reason,
        comment=body.comment,
    )
    return Status(204, None)


def _reply(status: int, body: BaseModel) -> HttpResponse:
    return HttpResponse(body.model_dump_json(), status=status, content_type="application/json; charset=utf-8")


def next_out(assignment: Assignment) -> NextOut:
    """What the holder of a comparison may know of it."""
    comparison = assignment.comparison
    return NextOut(
        comparison=ComparisonOut(
            id=comparison.pk,
            lease=assignment.lease,
            expires_at=assignment.expires_at,
            dialog=comparison.dialog_id,
            turn=comparison.turn,
            context=comparison.context,
            left=answer_out(comparison.left),
            right=answer_out(comparison.right),
            draft=assignment.draft,
        )
    )


def answer_out(response: Response) -> AnswerOut:
    """An answer without a word on who wrote it."""
    return AnswerOut(content=response.content, tool_call=response.tool_call)


def _judgement_out(judgement: Judgement) -> JudgementOut:
    edit = getattr(judgement, "edit", None)
    feedback = feedback_of(judgement.comparison, judgement.passed)
    return JudgementOut(
        id=judgement.pk,
        comparison=judgement.comparison_id,
        preferred=Side(judgement.preferred),
        strength=Strength(judgement.strength),
        edited=None if edit is None else edit.content,
        reasons=judgement.reasons,
        comment=judgement.comment,
        seconds=judgement.seconds,
        created=judgement.created_at,
        safety=SafetyOut(**safety_of(judgement)),
        feedback=None if feedback is None else FeedbackOut.model_validate(feedback, from_attributes=True),
    )
