"""Reads for people's pages: what waits for somebody, how far a project is, what was judged."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone
from django.utils.text import capfirst

from accounts.models import AuditEntry, User
from annotation.judging_words import STRENGTHS
from annotation.models import Assignment, Comparison, Flag, Judgement, Membership, Project, Prompt
from annotation.permissions import projects_of
from annotation.records import Strength

State = Comparison.State


@dataclass(frozen=True, kw_only=True)
class WorkOverview:
    """One project as its annotator sees it."""

    project: Project
    role: str
    num_waiting: int
    """Open comparisons of the current round that this person has not yet been done with."""
    num_today: int
    num_judged: int
    has_draft: bool
    """A comparison is in hand with something written or chosen."""


@dataclass(frozen=True, kw_only=True)
class ProjectOverview:
    """One project as its admin sees it."""

    project: Project
    num_prompts: int
    num_people: int
    num_judgements: int
    num_open: int
    num_flagged: int


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """Judgements of a project counted by domain and strength, strongest first."""

    domains: Sequence[tuple[str, list[int], int]]
    """Domain, judgements by strength, their sum."""
    by_strength: Sequence[tuple[str, int]]
    total: int
    num_edits: int


def num_judged_today(user: User, project: Project) -> int:
    """Judgements that `user` has given in the project since midnight."""
    return _judged(user, since_midnight=True).filter(comparison__project=project).count()


def work_overviews(user: User) -> list[WorkOverview]:
    """The projects in which `user` is a member, those with work first."""
    memberships = list(
        Membership.objects.filter(user=user).select_related("project").order_by("project__name")
    )
    judged = _by_project(_judged(user), "comparison__project")
    today = _by_project(_judged(user, since_midnight=True), "comparison__project")
    drafts = set(
        Assignment.objects.filter(annotator=user, state=Assignment.State.ACTIVE)
        .exclude(draft={})
        .values_list("project_id", flat=True)
    )
    overviews = [
        WorkOverview(
            project=membership.project,
            role=membership.role,
            num_waiting=_waiting(user, membership.project).count(),
            num_today=today.get(membership.project_id, 0),
            num_judged=judged.get(membership.project_id, 0),
            has_draft=membership.project_id in drafts,
        )
        for membership in memberships
    ]
    return sorted(overviews, key=lambda overview: overview.num_waiting == 0)


def project_overviews(user: User) -> list[ProjectOverview]:
    """The projects that `user` may see, with their counts; one statement a kind of count."""
    projects = list(projects_of(user).order_by("name"))
    prompts = _by_project(Prompt.objects.exclude(split=Prompt.Split.CHECK), "project")
    people = _by_project(Membership.objects.all(), "project")
    judgements = _by_project(_in_records(Judgement.objects.all()), "comparison__project")
    comparisons = Comparison.objects.all()
    num_open = _by_project(comparisons.filter(state=State.OPEN), "project")
    num_flagged = _by_project(comparisons.filter(state=State.FLAGGED), "project")
    return [
        ProjectOverview(
            project=project,
            num_prompts=prompts.get(project.pk, 0),
            num_people=people.get(project.pk, 0),
            num_judgements=judgements.get(project.pk, 0),
            num_open=num_open.get(project.pk, 0),
            num_flagged=num_flagged.get(project.pk, 0),
        )
        for project in projects
    ]


def state_counts(project: Project) -> list[tuple[str, int]]:
    """Comparisons of the project by state, every state named."""
    rows = Comparison.objects.filter(project=project).order_by().values("state").annotate(num=Count("pk"))
    found = {row["state"]: row["num"] for row in rows}
    return [(state.label.capitalize(), found.get(state.value, 0)) for state in State if state != State.CHECK]


def breakdown(project: Project) -> Breakdown:
    """Judgements by domain and strength."""
    rows = (
        _in_records(Judgement.objects.filter(comparison__project=project))
        .order_by()
        .values("comparison__dialog__prompt__domain", "strength")
        .annotate(num=Count("pk"), edits=Count("edit"))
    )
    table: dict[str, dict[str, int]] = {}
    num_edits = 0
    for row in rows:
        table.setdefault(row["comparison__dialog__prompt__domain"], {})[row["strength"]] = row["num"]
        num_edits += row["edits"]
    domains = [
        (domain, [counts.get(strength.value, 0) for strength in Strength], sum(counts.values()))
        for domain, counts in table.items()
    ]
    domains.sort(key=lambda domain: (-domain[2], domain[0]))
    by_strength = [
        (str(capfirst(words)), sum(counts[place] for _, counts, _ in domains))
        for place, words in enumerate(STRENGTHS.values())
    ]
    total = sum(domain[2] for domain in domains)
    return Breakdown(domains=domains, by_strength=by_strength, total=total, num_edits=num_edits)


def members(project: Project) -> QuerySet[Membership]:
    """The project's people with how much each has judged and skipped."""
    own = Q(user__judgements__comparison__project=project, user__judgements__comparison__of_check=None)
    return (
        Membership.objects.filter(project=project)
        .select_related("user")
        .annotate(num_judgements=Count("user__judgements", filter=own))
        .order_by("-num_judgements", "user__username")
    )


def flagged(project: Project) -> QuerySet[Flag]:
    """Flags that wait for a reviewer, oldest first."""
    return (
        Flag.objects.filter(comparison__project=project, comparison__state=State.FLAGGED)
        .select_related("comparison__left", "comparison__right", "annotator")
        .order_by("pk")
    )


def skip_reasons(comparison_ids: Sequence[int]) -> dict[int, list[tuple[User, str]]]:
    """By comparison: who skipped it and why, the first first; those who gave no reason are left out."""
    skipped = AuditEntry.objects.filter(
        action="comparison.skip",
        subject_type="annotation.comparison",
        subject_id__in=[str(pk) for pk in comparison_ids],
    ).select_related("actor")
    found: dict[int, list[tuple[User, str]]] = {}
    for entry in skipped.order_by("pk"):
        if entry.actor is not None and entry.data.get("reason"):
            found.setdefault(int(entry.subject_id), []).append((entry.actor, entry.data["reason"]))
    return found


def _in_records(judgements: QuerySet[Judgement]) -> QuerySet[Judgement]:
    """Without those of checks, excluded ones and those behind a decision."""
    return judgements.filter(comparison__of_check=None, standing__in=Judgement.IN_RECORDS)


def _judged(user: User, *, since_midnight: bool = False) -> QuerySet[Judgement]:
    judged = Judgement.objects.filter(annotator=user)
    if since_midnight:
        midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        judged = judged.filter(created_at__gte=midnight)
    return judged


def _waiting(user: User, project: Project) -> QuerySet[Comparison]:
    over = [Assignment.State.SUBMITTED, Assignment.State.SKIPPED, Assignment.State.FLAGGED]
    done = Assignment.objects.filter(comparison=OuterRef("pk"), annotator=user, state__in=over)
    return Comparison.objects.filter(
        ~Exists(done), project=project, round=project.current_round, state=State.OPEN
    )


def _by_project(rows: QuerySet, field: str) -> dict[int, int]:  # type: ignore[type-arg]  # of any model
    counted = rows.order_by().values(field).annotate(num=Count("pk"))
    return {row[field]: row["num"] for row in counted}
