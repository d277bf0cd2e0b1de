"""How people do on checks, and how each check does."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from annotation.agreement.bias import Share, wilson
from annotation.models import Check, Judgement, Membership, Project
from annotation.models.checks import KINDS_MADE_BY_HAND

Kind = Check.Kind


@dataclass(frozen=True, kw_only=True)
class CheckedPerson:
    """One member's accuracy on checks, with Wilson's 95% interval."""

    membership: Membership
    among_work: Share | None
    """Gold and attention checks; None where none was judged."""
    qualification: Share | None


def checked_people(project: Project) -> list[CheckedPerson]:
    """Those who judged a check or are paused, the least accurate first."""
    rows = (
        Judgement.objects.filter(comparison__project=project, passed__isnull=False)
        .order_by()
        .values("annotator")
        .annotate(
            work=Count("pk", filter=~Q(comparison__of_check__kind=Kind.QUALIFICATION)),
            work_right=Count("pk", filter=~Q(comparison__of_check__kind=Kind.QUALIFICATION) & Q(passed=True)),
            test=Count("pk", filter=Q(comparison__of_check__kind=Kind.QUALIFICATION)),
            test_right=Count("pk", filter=Q(comparison__of_check__kind=Kind.QUALIFICATION, passed=True)),
        )
    )
    counted = {row["annotator"]: row for row in rows}
    memberships = Membership.objects.filter(project=project).select_related("user")
    found = [
        CheckedPerson(
            membership=membership,
            among_work=wilson(row["work_right"], row["work"]) if row else None,
            qualification=wilson(row["test_right"], row["test"]) if row else None,
        )
        for membership in memberships
        if (row := counted.get(membership.user_id)) or membership.paused_at is not None
    ]
    return sorted(found, key=lambda person: person.among_work.value if person.among_work else 2.0)


def checks_with_counts(project: Project, kind: str | None = None) -> QuerySet[Check]:
    """The project's checks of a known answer, with how often each was judged and how often right.

    Newest first.
    """
    found = Check.objects.filter(project=project, kind__in=KINDS_MADE_BY_HAND).select_related(
        "prompt", "better", "worse"
    )
    if kind:
        found = found.filter(kind=kind)
    return found.annotate(
        num_judged=Count("comparisons__judgements"),
        num_right=Count("comparisons__judgements", filter=Q(comparisons__judgements__passed=True)),
    ).order_by("-pk")


def num_active(project: Project) -> Sequence[tuple[Kind, int]]:
    """How many checks of each kind whose answer is known are handed out."""
    rows = (
        Check.objects.filter(project=project, active=True).order_by().values("kind").annotate(num=Count("pk"))
    )
    counted = {row["kind"]: row["num"] for row in rows}
    return [(kind, counted.get(kind.value, 0)) for kind in map(Kind, KINDS_MADE_BY_HAND)]
