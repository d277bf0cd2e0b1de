"""Reads for the page of a project's deployments: what answers now, what waits, every release there was."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count
from django.utils import timezone

from annotation.models import Project, Release, Response
from annotation.services.releases import untouched_pairs
from registry.models import Deployment

PER_PAGE = 50
MAX_SPANS = 12
SPANS_WIDTH, LANE_HEIGHT, LABELS_WIDTH = 1000, 18, 40


@dataclass(frozen=True, kw_only=True)
class ReleaseRow:
    """One release as the page shows it."""

    release: Release
    deployments: list[Deployment]
    num_answers: int
    """Stored ones that it wrote."""
    num_open: int
    """Pairs of them that wait to be judged, by nobody so far."""
    round_id: int | None
    """The round that made it, where it is still there."""

    @property
    def canary(self) -> float | None:
        """The largest difference of its models' canaries; None where one was not compared."""
        found = [each.canary_difference for each in self.deployments]
        known = [each for each in found if each is not None]
        return max(known) if known and len(known) == len(found) else None

    @property
    def is_answering(self) -> bool:
        """Whether all of its models answer now."""
        return all(each.state == Deployment.State.LIVE for each in self.deployments)


@dataclass(frozen=True, kw_only=True)
class Span:
    """For how long one release answered, as a bar of the picture."""

    release: Release
    x: float
    y: int
    width: float

    @property
    def label_y(self) -> int:
        """Where its number's line of writing is."""
        return self.y + 10


def release_rows(project: Project, *, page: int = 1) -> list[ReleaseRow]:
    """A page of the project's releases, newest first. Six queries, however many there are."""
    first = (page - 1) * PER_PAGE
    releases = list(
        Release.objects.filter(project=project)
        .select_related("project", "restores", "replaces", "requested_by")
        .prefetch_related("deployments__checkpoint")
        .order_by("-number")[first : first + PER_PAGE]
    )
    wrote = dict(
        Response.objects.filter(project=project, release__in=[release.pk for release in releases])
        .order_by()
        .values_list("release")
        .annotate(num=Count("pk"))
    )
    waiting = dict(
        untouched_pairs(project)
        .filter(left__release__isnull=False)
        .order_by()
        .values_list("left__release")
        .annotate(num=Count("pk"))
    )
    rounds = dict(project.rounds.order_by().values_list("number", "pk"))
    return [
        ReleaseRow(
            release=release,
            deployments=sorted(release.deployments.all(), key=lambda each: each.pk),
            num_answers=wrote.get(release.pk, 0),
            num_open=waiting.get(release.pk, 0),
            round_id=rounds.get(release.made_by_round or 0),
        )
        for release in releases
    ]


def release_spans(rows: Sequence[ReleaseRow], *, now: datetime | None = None) -> list[Span]:
    """When each of the newest releases answered, on one scale of time; nothing for fewer than two."""
    now = now or timezone.now()
    shown = [(row.release, row.release.live_at) for row in rows if row.release.live_at][:MAX_SPANS]
    if len(shown) < 2:
        return []
    begin = min(live_at for _, live_at in shown)
    scale = (SPANS_WIDTH - LABELS_WIDTH) / max((now - begin).total_seconds(), 1.0)
    return [
        Span(
            release=release,
            x=round(LABELS_WIDTH + scale * (live_at - begin).total_seconds(), 1),
            y=lane * LANE_HEIGHT,
            width=round(max(scale * ((release.ended_at or now) - live_at).total_seconds(), 6.0), 1),
        )
        for lane, (release, live_at) in enumerate(shown)
    ]
