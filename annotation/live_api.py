"""The HTTP API of live work: pairs that models write in the background, first prompts.

Which models write is never told here, nor which of them is faster: both answers come together.
"""

from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from django.utils import timezone
from ninja import Field, Router, Schema, Status

from accounts.auth import request_user
from annotation.api import Id, NextOut, SchemaIn, Text, next_out
from annotation.models import PairRequest
from annotation.permissions import project_for
from annotation.services import (
    dialog_turn,
    request_drop,
    request_retry,
    turn_ask,
    unfinished_requests,
)

router = Router(tags=["live"])


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
