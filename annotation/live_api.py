"""The HTTP API of live work: pairs that models write in the background, answers written anew.

Which models write is never told here, nor which of them is faster: both answers come together.
"""

import uuid
from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Router, Schema, Status

from accounts.auth import request_user
from annotation.api import Id, NextOut, SchemaIn, Text, next_out
from annotation.models import PairRequest, Refinement, Side
from annotation.permissions import project_for
from annotation.services import (
    dialog_turn,
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
    state: PairRequest.State
    error: str
    """What to do where it failed."""
    asked: datetime
    seconds_since: float
    """Since it was asked."""


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
    state: Refinement.State
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
        asked, _ = turn_ask(dialog_id=dialog_id, annotator=annotator, content=body.content)
        return Status(202, request_out(asked))
    assignment, created = dialog_turn(dialog_id=dialog_id, annotator=annotator, content=body.content)
    return Status(201 if created else 200, next_out(assignment))


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
