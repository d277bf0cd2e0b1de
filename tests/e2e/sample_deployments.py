"""Releases of the sample site: one project with a history of them, another where one is under way."""

from datetime import timedelta
from typing import Any

from django.utils import timezone

from accounts.models import User
from annotation.models import Project, Release, Response
from registry.models import Checkpoint, Deployment

State = Release.State
REASON = "The drop is in two domains that we no longer ask for; agreed with everybody on Tuesday."
ERROR = (
    "helpful-round-1-dpo-b could not be deployed: The server's log-probabilities are 0.1642 away from those "
    "of /srv/accord/checkpoints/9f2c41d07be1, more than 0.0001: it holds other weights."
)


def make_releases(project: Project, admin: User) -> None:
    """Five that were, with a failed one and an overridden gate, and a rollback that answers now."""
    live = list(project.deployments.order_by("pk"))
    Deployment.objects.filter(pk__in=[each.pk for each in live]).update(
        canary_difference=2.31e-7, canary_tolerance=1e-4, canary_at=timezone.now()
    )
    old = [_deployment(each.checkpoint, "retired", number) for number, each in enumerate(live)]
    first = _release(project, 1, State.REPLACED, old, days=(30, 21))
    second = _release(project, 2, State.REPLACED, old, days=(21, 12), made_by_round=1, gate={"problems": []})
    _release(project, 3, State.FAILED, old, days=(None, 12), made_by_round=2, error=ERROR)
    override = {"problems": ["It lost in poems."], "override": {"by": admin.username, "reason": REASON}}
    third = _release(
        project, 4, State.REPLACED, old, days=(9, 2), made_by_round=2, gate=override, requested_by=admin
    )
    back = _release(
        project, 5, State.LIVE, live, days=(2, None), restores=second, replaces=third, requested_by=admin
    )
    Project.objects.filter(pk=project.pk).update(release=back)
    Response.objects.filter(project=project).update(release=first)


def make_release_under_way(project: Project, checkpoint: Checkpoint, admin: User) -> None:
    """A pair of which one is proved."""
    deployments = [_deployment(checkpoint, state, 7) for state in ("ready", "starting")]
    _release(project, 1, State.PENDING, deployments, days=(None, None), requested_by=admin)


def _deployment(checkpoint: Checkpoint, state: str, number: int) -> Deployment:
    return Deployment.objects.create(
        name=f"sample-{checkpoint.name}-{state}-{number}",
        checkpoint=checkpoint,
        served_name=checkpoint.name,
        state=state,
        canary_difference=1.9e-6 * (number + 1),
        canary_tolerance=1e-4,
    )


def _release(
    project: Project,
    number: int,
    state: Release.State,
    deployments: list[Deployment],
    *,
    days: tuple[float | None, float | None],
    **values: Any,  # Any: fields
) -> Release:
    """`days` are how long ago it went live, and ended."""
    live_at, ended_at = (None if each is None else timezone.now() - timedelta(days=each) for each in days)
    release = Release.objects.create(
        project=project, number=number, state=state, live_at=live_at, ended_at=ended_at, **values
    )
    release.deployments.set(deployments)
    return release
