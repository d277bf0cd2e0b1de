"""The HTTP API of live work: pairs that models write in the background, first prompts, answers
written anew.

Which models write is never told here, nor which of them is faster: both answers come together.
"""

import uuid
from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Field, Router, Schema, Status
from pydantic import AfterValidator, WithJsonSchema

from accounts.auth import request_user
from accounts.errors import Forbidden
from annotation.api.judging import MAX_ID, Id, MessageOut, NextOut, SchemaIn, Text, next_out, text_storable
from annotation.models import PairRequest, Prompt, Refinement, Side
from annotation.permissions import project_for
from annotation.services import (
    dialog_turn,
    prompt_ask,
    prompt_draw,
    prompt_take,
    refinement_ask,
    refinement_cancel,
    refinement_find,
    request_drop,
    request_retry,
    turn_ask,
    unfinished_requests,
)
from annotation.services.jobs import UNFINISHED

router = Router(tags=["live"])

MAX_WAIT = 30.0
# Named State both: by its name alone the OpenAPI would describe one of them with the other's values.
PairState = Annotated[PairRequest.State, WithJsonSchema({"enum": PairRequest.State.values})]
RefinementState = Annotated[Refinement.State, WithJsonSchema({"enum": Refinement.State.values})]


class TurnIn(SchemaIn):
    """The person's next message; `background`: do not wait for the answers, `next` brings them."""

    content: Annotated[Text, Field(min_length=1)]
    background: bool = False


class PairRequestOut(Schema):
    """Two answers that the caller asked for."""

    id: int
    dialog: int
    turn: int
    content: str
    """The message that is answered."""
    state: PairState
    error: str
    """What to do where it failed."""
    asked: datetime
    seconds_since: float
    """Since it was asked."""


class DialogIn(SchemaIn):
    """A first prompt: one of the project's (`prompt`), or the caller's own words with domain and language."""

    prompt: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None
    content: Text = ""
    domain: Annotated[str, Field(max_length=200), AfterValidator(text_storable)] = ""
    language: Annotated[str, Field(max_length=35), AfterValidator(text_storable)] = ""
    key: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(text_storable)]
    """Chosen by the client: the same key again is the same prompt."""


class DrawIn(SchemaIn):
    """Another one than this, if there is another."""

    other_than: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None


class PromptOut(Schema):
    """A prompt of the project's set."""

    id: int
    domain: str
    language: str
    context: list[MessageOut]


class RefinementIn(SchemaIn):
    """What to change in an answer; `text` is the answer, or what has become of it in the editor."""

    lease: uuid.UUID
    side: Side
    text: Text
    feedback: Annotated[Text, Field(min_length=1)]
    wait: Annotated[float, Field(ge=0, le=MAX_WAIT, allow_inf_nan=False)] = 0.0
    """Seconds to wait for it before 202."""


class RefinementOut(Schema):
    """An answer that is being written anew, or is."""

    id: int
    side: Side
    state: RefinementState
    content: str
    """Empty until it is ready."""
    error: str
    seconds_since: float
    """Since it was asked."""


@router.post("/dialogs/{dialog_id}/turn", response={200: NextOut, 201: NextOut, 202: PairRequestOut})
def turn(request: HttpRequest, dialog_id: Id, body: TurnIn) -> Status[NextOut] | Status[PairRequestOut]:
    """Say the next thing in a dialog after judging its last answers; two models answer.

    201 with both answers; or, in the background, 202 at once.
    """
    annotator = request_user(request)
    if body.background:
        asked, _created = turn_ask(dialog_id=dialog_id, annotator=annotator, content=body.content)
        return Status(202, request_out(asked))
    assignment, created = dialog_turn(dialog_id=dialog_id, annotator=annotator, content=body.content)
    return Status(201 if created else 200, next_out(assignment))


@router.post("/projects/{slug:slug}/dialogs", response={202: PairRequestOut})
def dialog_create(request: HttpRequest, slug: str, body: DialogIn) -> Status[PairRequestOut]:
    """Begin a dialog in a live project: two models answer in the background, `next` brings the pair."""
    annotator = request_user(request)
    project = project_for(annotator, slug)
    if body.prompt is not None:
        asked = prompt_take(project, annotator, prompt_id=body.prompt)
    else:
        asked = prompt_ask(
            project,
            annotator,
            content=body.content,
            domain=body.domain,
            language=body.language,
            key=body.key,
        )
    return Status(202, request_out(asked))


@router.post("/projects/{slug:slug}/prompts/draw", response=PromptOut)
def prompt_draw_one(request: HttpRequest, slug: str, body: DrawIn) -> Prompt:
    """A prompt of the set that was seldom asked; nothing happens with it."""
    project = project_for(request_user(request), slug)
    if not project.live:
        raise Forbidden(_("This project takes no first prompts: an admin can switch live dialogs on."))
    return prompt_draw(project, other_than=body.other_than)


@router.get("/projects/{slug:slug}/pairs", response=list[PairRequestOut])
def pair_list(request: HttpRequest, slug: str) -> list[PairRequestOut]:
    """The pairs that the caller waits for, and those that failed, oldest first."""
    annotator = request_user(request)
    return [request_out(each) for each in unfinished_requests(project_for(annotator, slug), annotator)]


@router.post("/pairs/{request_id}/retry", response={202: PairRequestOut})
def pair_retry(request: HttpRequest, request_id: Id) -> Status[PairRequestOut]:
    """Ask the models once more for what failed."""
    return Status(202, request_out(request_retry(request_id, request_user(request))))


@router.delete("/pairs/{request_id}", response={204: None})
def pair_delete(request: HttpRequest, request_id: Id) -> Status[None]:
    """The caller no longer wants the pair."""
    request_drop(request_id, request_user(request))
    return Status(204, None)


@router.post("/comparisons/{comparison_id}/refinements", response={201: RefinementOut, 202: RefinementOut})
def refinement_create(request: HttpRequest, comparison_id: Id, body: RefinementIn) -> Status[RefinementOut]:
    """Have an answer written anew by its model: 201 where that is over within `wait` seconds, else 202."""
    annotator = request_user(request)
    asked = refinement_ask(
        comparison_id=comparison_id,
        annotator=annotator,
        lease=body.lease,
        side=body.side,
        text=body.text,
        feedback=body.feedback,
    )
    found = refinement_find(asked.pk, annotator, wait_seconds=body.wait)
    return Status(202 if found.state in UNFINISHED else 201, refinement_out(found))


@router.get("/refinements/{refinement_id}", response=RefinementOut)
def refinement_read(request: HttpRequest, refinement_id: Id) -> RefinementOut:
    """How far it is."""
    return refinement_out(refinement_find(refinement_id, request_user(request)))


@router.delete("/refinements/{refinement_id}", response={204: None})
def refinement_delete(request: HttpRequest, refinement_id: Id) -> Status[None]:
    """The caller no longer wants it."""
    refinement_cancel(refinement_id, request_user(request))
    return Status(204, None)


def request_out(request: PairRequest) -> PairRequestOut:
    """What its person may know of it."""
    return PairRequestOut(
        id=request.pk,
        dialog=request.dialog_id,
        turn=request.turn,
        content=request.context[-1]["content"],
        state=PairRequest.State(request.state),
        error=request.error,
        asked=request.asked_at,
        seconds_since=(timezone.now() - request.asked_at).total_seconds(),
    )


def refinement_out(refinement: Refinement) -> RefinementOut:
    """What its person may know of it."""
    return RefinementOut(
        id=refinement.pk,
        side=Side(refinement.side),
        state=Refinement.State(refinement.state),
        content=refinement.content,
        error=refinement.error,
        seconds_since=(timezone.now() - refinement.asked_at).total_seconds(),
    )
