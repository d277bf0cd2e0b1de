"""The HTTP API of quality figures, for admins of the project: how edits did that were judged again."""

from django.http import HttpRequest
from ninja import Router
from pydantic import BaseModel

from accounts.auth import request_user
from annotation.agreement.bias import Share
from annotation.figures.edits_again import (
    EditsAgain,
    edits_again,
    edits_again_named,
    edits_again_total,
    lost_edit_ids,
)
from annotation.models import Check
from annotation.permissions import ADMINISTER, project_for

router = Router(tags=["quality"])


class ShareOut(BaseModel):
    """A share with Wilson's 95% interval."""

    value: float
    low: float
    high: float
    num: int


class EditsOut(BaseModel):
    """Edits that were judged again, by how they did; the shares are null where there is none."""

    won: int
    tied: int
    lost: int
    win_share: ShareOut | None
    loss_share: ShareOut | None


class EditorOut(BaseModel):
    """Those of one person."""

    username: str
    pseudonym: str
    edits: EditsOut


class EditsAgainOut(BaseModel):
    """Those of everybody, and of each."""

    edits: EditsOut
    people: list[EditorOut]
    """The smallest share that won first."""
    lost_judgements: list[int]
    """The judgements whose edits lost and are not erased, the newest first."""


@router.get("/projects/{slug:slug}/quality/edits", response=EditsAgainOut)
def edits_judged_again(request: HttpRequest, slug: str) -> EditsAgainOut:
    """How often edits win against what they were made of, judged blindly by somebody else."""
    project = project_for(request_user(request), slug, ADMINISTER)
    people = edits_again(project)
    ids = lost_edit_ids(project)
    judgement_of = dict(Check.objects.filter(pk__in=ids).values_list("pk", "judgement_id"))
    return EditsAgainOut(
        edits=_edits_out(edits_again_total(people)),
        people=[
            EditorOut(username=user.username, pseudonym=user.pseudonym, edits=_edits_out(figures))
            for user, figures in edits_again_named(people)
        ],
        lost_judgements=[number for pk in ids if (number := judgement_of[pk]) is not None],
    )


def _edits_out(figures: EditsAgain) -> EditsOut:
    return EditsOut(
        won=figures.won,
        tied=figures.tied,
        lost=figures.lost,
        win_share=_share(figures.win_share),
        loss_share=_share(figures.loss_share),
    )


def _share(share: Share | None) -> ShareOut | None:
    return None if share is None else ShareOut.model_validate(share, from_attributes=True)
