"""The HTTP API of a project's releases, for site admins: list them, roll back."""

from datetime import datetime
from typing import Annotated, Literal, cast

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Path, Query, Router, Schema, Status

from accounts.auth import request_user
from alignment.deploying import models_roll_back
from alignment.deployments import ReleaseRow, release_rows
from alignment.permissions import admins_project
from annotation.models import Release
from annotation.services.releases import release_pairs_withdraw

router = Router(tags=["deployments"])

MOST = 1_000_000

ReleaseState = Literal["pending", "live", "replaced", "failed", "cancelled"]
"""Spelled out: a deployment's states have the same name in the OpenAPI and are others."""


class ModelOut(Schema):
    """One model of a release."""

    deployment: int
    checkpoint: str
    content_hash: str
    state: str
    canary_difference: float | None


class ReleaseOut(Schema):
    """The models that answer, or answered, for a project together."""

    number: int
    state: ReleaseState
    models: list[ModelOut]
    made_by_round: int | None
    restores: int | None
    requested_by: str | None
    requested_at: datetime
    live_at: datetime | None
    ended_at: datetime | None
    num_answers: int
    num_open: int
    """Pairs that it wrote and that wait to be judged, by nobody so far."""
    error: str


class WithdrawnOut(Schema):
    """How many pairs nobody is asked for any more."""

    withdrawn: int


class RollBackIn(Schema):
    """`to` is the number of the release to bring back; without it the one before the present one."""

    to: Annotated[int, Field(ge=1, le=MOST)] | None = None


@router.get("/projects/{slug:slug}/releases", response=list[ReleaseOut])
def release_list(
    request: HttpRequest, slug: str, page: Annotated[int, Query(ge=1, le=MOST)] = 1
) -> list[ReleaseOut]:
    """The project's releases, newest first, fifty a page."""
    project = admins_project(request_user(request), slug)
    return [_release_out(row) for row in release_rows(project, page=page)]


@router.post("/projects/{slug:slug}/releases/roll-back", response={202: ReleaseOut})
def release_roll_back(request: HttpRequest, slug: str, wanted: RollBackIn) -> Status[ReleaseOut]:
    """Ask for the models of an earlier release again; they go live once their canaries have proved them."""
    admin = request_user(request)
    project = admins_project(admin, slug)
    models_roll_back(project, to=wanted.to, actor=admin)
    return Status(202, _release_out(release_rows(project)[0]))


@router.post("/projects/{slug:slug}/releases/{number}/withdraw-pairs", response=WithdrawnOut)
def release_withdraw_pairs(
    request: HttpRequest, slug: str, number: Annotated[int, Path(ge=1, le=MOST)]
) -> WithdrawnOut:
    """Withdraw the open pairs that an earlier release wrote and that nobody has judged or holds."""
    admin = request_user(request)
    release = get_object_or_404(Release, project=admins_project(admin, slug), number=number)
    return WithdrawnOut(withdrawn=release_pairs_withdraw(release, actor=admin))


def _release_out(row: ReleaseRow) -> ReleaseOut:
    release = row.release
    return ReleaseOut(
        number=release.number,
        state=cast(ReleaseState, release.state),
        models=[
            ModelOut(
                deployment=each.pk,
                checkpoint=each.checkpoint.name,
                content_hash=each.checkpoint.content_hash,
                state=each.state,
                canary_difference=each.canary_difference,
            )
            for each in row.deployments
        ],
        made_by_round=release.made_by_round,
        restores=release.restores.number if release.restores else None,
        requested_by=release.requested_by.username if release.requested_by else None,
        requested_at=release.requested_at,
        live_at=release.live_at,
        ended_at=release.ended_at,
        num_answers=row.num_answers,
        num_open=row.num_open,
        error=release.error,
    )
