"""The HTTP API of a project's people: who they are, and taking what one of them judged out of the data.

For admins of the project. Here and not in annotation because the answer names the snapshots and checkpoints
that learned from the judgements.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated

from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from ninja import Path, Router
from pydantic import BaseModel

from accounts.auth import request_user
from accounts.errors import NotFound
from accounts.models import Role
from alignment.lineage import learned_from
from annotation.api.judging import MAX_ID, SchemaIn
from annotation.models import Membership
from annotation.permissions import ADMINISTER, project_for
from annotation.services.pausing import Moved, judgements_exclude, judgements_restore, with_decisions

router = Router(tags=["people"])

Person = Annotated[int, Path(ge=1, le=MAX_ID)]


class PersonOut(BaseModel):
    """Somebody of the project."""

    id: int
    username: str
    pseudonym: str
    """What exports call them."""
    role: Role
    paused: bool


class SinceIn(SchemaIn):
    """Which judgements: those from this moment on, or all. A time without a zone is UTC."""

    since: datetime | None = None


class SnapshotOut(BaseModel):
    """A round's snapshot that holds some of the judgements."""

    round: int
    """The round's id."""
    number: int
    """Which round of the project it is."""
    hash: str
    judgements: int


class CheckpointOut(BaseModel):
    """A checkpoint that learned from some of them."""

    name: str
    generation: int
    """0 where it was trained on such a snapshot; n where it descends from one in n steps."""
    deployed_as: tuple[str, ...]


class MovedOut(BaseModel):
    """What an exclusion or a restoration did, and what had learned from those judgements."""

    judgements: int
    comparisons: int
    snapshots: list[SnapshotOut]
    checkpoints: list[CheckpointOut]


@router.get("/projects/{slug:slug}/people", response=list[PersonOut])
def person_list(request: HttpRequest, slug: str) -> list[PersonOut]:
    """The project's people, in the order in which they came."""
    project = project_for(request_user(request), slug, ADMINISTER)
    members = Membership.objects.filter(project=project).select_related("user").order_by("pk")
    return [
        PersonOut(
            id=member.pk,
            username=member.user.username,
            pseudonym=member.user.pseudonym,
            role=Role(member.role),
            paused=member.paused_at is not None,
        )
        for member in members
    ]


@router.post("/projects/{slug:slug}/people/{person_id}/exclude", response=MovedOut)
def person_exclude(request: HttpRequest, slug: str, person_id: Person, body: SinceIn) -> MovedOut:
    """What the person judged counts nowhere from now on. Again, it excludes what came since."""
    return _move(request, slug, person_id, body, judgements_exclude)


@router.post("/projects/{slug:slug}/people/{person_id}/restore", response=MovedOut)
def person_restore(request: HttpRequest, slug: str, person_id: Person, body: SinceIn) -> MovedOut:
    """What was excluded counts again."""
    return _move(request, slug, person_id, body, judgements_restore)


def _move(
    request: HttpRequest, slug: str, person_id: int, body: SinceIn, move: Callable[..., Moved]
) -> MovedOut:
    actor = request_user(request)
    project = project_for(actor, slug, ADMINISTER)
    member = Membership.objects.select_related("user").filter(project=project, pk=person_id).first()
    if member is None:
        raise NotFound(_("There is no such person in this project: look at its list of people."))
    since = body.since
    if since is not None and timezone.is_naive(since):
        since = timezone.make_aware(since)
    moved = move(project, member.user, since=since, actor=actor)
    learned = learned_from(with_decisions(moved.judgement_ids))
    return MovedOut(
        judgements=len(moved.judgement_ids),
        comparisons=moved.num_comparisons,
        snapshots=[
            SnapshotOut(
                round=use.snapshot.round_id,
                number=use.snapshot.round.number,
                hash=use.snapshot.content_hash,
                judgements=use.num_judgements,
            )
            for use in learned.snapshots
        ],
        checkpoints=[
            CheckpointOut(name=use.checkpoint.name, generation=use.generation, deployed_as=use.deployed_as)
            for use in learned.checkpoints
        ],
    )
