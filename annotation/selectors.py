"""Reads over a project's prompts, comparisons and judgements."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from django.db import connection
from django.db.models import Count, F, QuerySet, Sum

from annotation.models import Comparison, Judgement, Project, Prompt, Response, Side
from annotation.records import Message, PreferenceRecord, RankedResponse, Strength

State = Comparison.State
RECORD_CHUNK = 2000
MAX_ID_DIGITS = 18


@dataclass(frozen=True, kw_only=True)
class JudgementCount:
    """How many judgements of one round have this domain and strength, and how many of them an edit."""

    round: int
    domain: str
    strength: Strength
    judgements: int
    edits: int


@dataclass(frozen=True, kw_only=True)
class ComparisonCounts:
    """How far a round's comparisons are."""

    open: int
    full: int
    flagged: int
    withdrawn: int
    judgements_missing: int
    """What is still to be judged in the open ones, counting each as often as it needs."""


def prompts(project: Project, split: str) -> QuerySet[Prompt]:
    """The project's prompts of one split ("train" or "holdout"), oldest first."""
    return Prompt.objects.filter(project=project, split=split, erased_at=None).order_by("pk")


def judgement_count(project: Project, round_number: int) -> int:
    """How many judgements the round has that can train.

    Those of flagged and withdrawn comparisons, excluded ones and those behind a decision do not count.
    """
    return usable_judgements(project).filter(comparison__round=round_number).count()


def open_comparison_count(project: Project, round_number: int) -> int:
    """How many comparisons of the round still wait for judgements."""
    return Comparison.objects.filter(project=project, round=round_number, state=State.OPEN).count()


def comparison_counts(project: Project, round_number: int) -> ComparisonCounts:
    """How many comparisons of the round are in each state."""
    rows = (
        Comparison.objects.filter(project=project, round=round_number)
        .order_by()
        .values("state")
        .annotate(num=Count("pk"), missing=Sum(F("needed") - F("num_judgements")))
    )
    by_state = {row["state"]: row for row in rows}
    nothing = {"num": 0, "missing": 0}
    return ComparisonCounts(
        open=by_state.get(State.OPEN, nothing)["num"],
        full=by_state.get(State.FULL, nothing)["num"],
        flagged=by_state.get(State.FLAGGED, nothing)["num"],
        withdrawn=by_state.get(State.WITHDRAWN, nothing)["num"],
        judgements_missing=by_state.get(State.OPEN, nothing)["missing"],
    )


def judgement_counts(project: Project) -> list[JudgementCount]:
    """Judgements by round, domain and strength (strongest first)."""
    rows = (
        usable_judgements(project)
        .order_by()
        .values("comparison__round", "comparison__dialog__prompt__domain", "strength")
        .annotate(judgements=Count("pk"), edits=Count("edit"))
    )
    counts = [
        JudgementCount(
            round=row["comparison__round"],
            domain=row["comparison__dialog__prompt__domain"],
            strength=Strength(row["strength"]),
            judgements=row["judgements"],
            edits=row["edits"],
        )
        for row in rows
    ]
    place = {strength: index for index, strength in enumerate(Strength)}
    return sorted(counts, key=lambda count: (count.round, count.domain, place[count.strength]))


def preference_records(project: Project, *, rounds: set[int] | None = None) -> Iterator[PreferenceRecord]:
    """The project's judgements as preference records, oldest first; `id` is the judgement's own.

    As `judgement_count` counts them, but for erased ones. Reads in chunks: memory does not grow.
    """
    for judgement in _judgements(project, rounds).iterator(chunk_size=RECORD_CHUNK):
        yield record_of(judgement, str(judgement.pk))


def records_by_id(project: Project, record_ids: set[str]) -> dict[str, PreferenceRecord]:
    """What is already there under these outside ids, whatever became of its comparison."""
    return {
        judgement.record_id: record_of(judgement, judgement.record_id)
        for judgement in with_parts(Judgement.objects.filter(record_id__in=record_ids))
        if judgement.comparison.project_id == project.pk
    }


def judgement_find(example: str) -> Judgement | None:
    """A judgement by its own id, else by its record's, whatever became of its comparison."""
    judgements = with_parts(Judgement.objects.order_by("pk"))
    if example.isdecimal() and len(example) <= MAX_ID_DIGITS:
        found = judgements.filter(pk=int(example)).first()
        if found is not None:
            return found
    return judgements.filter(record_id=example).first()


def judgement_newest(project: Project | None = None) -> Judgement | None:
    """The newest judgement, of one project or of all; none of a check."""
    found = with_parts(Judgement.objects.filter(comparison__of_check=None).order_by("-pk"))
    return (found if project is None else found.filter(comparison__project=project)).first()


def judgement_neighbours(judgement: Judgement) -> tuple[int | None, int | None]:
    """The ids of the judgements before and after it in its project."""
    others = Judgement.objects.filter(
        comparison__project=judgement.comparison.project, comparison__of_check=None
    ).values_list("pk", flat=True)
    before = others.filter(pk__lt=judgement.pk).order_by("-pk").first()
    return before, others.filter(pk__gt=judgement.pk).order_by("pk").first()


def record_of(judgement: Judgement, record_id: str) -> PreferenceRecord:
    """One judgement as a record: edited > chosen > rejected."""
    comparison = judgement.comparison
    unsafe = [tuple(judgement.safety.get(side, ())) for side in (Side.LEFT, Side.RIGHT)]
    if judgement.preferred == Side.RIGHT:
        unsafe.reverse()
    ranked = [
        _ranked(judgement.chosen, "chosen", unsafe[0]),
        _ranked(judgement.rejected, "rejected", unsafe[1]),
    ]
    edit = judgement.standing_edit
    if edit is not None:
        ranked.insert(
            0,
            RankedResponse(
                content=edit.content,
                model=edit.model_name,
                origin="edited",
                tool_call=judgement.chosen.tool_call,
            ),
        )
    prompt = comparison.dialog.prompt
    return PreferenceRecord(
        id=record_id,
        domain=prompt.domain,
        language=prompt.language,
        round=comparison.round,
        context=tuple(Message(**message) for message in comparison.context),
        responses=tuple(ranked),
        strength=Strength(judgement.strength),
        annotator=judgement.annotator.pseudonym,
        created=judgement.created_at.isoformat(),
    )


def _ranked(
    response: Response, origin: Literal["chosen", "rejected"], safety: tuple[str, ...]
) -> RankedResponse:
    """A response with the version that wrote it, and what is unsafe in it."""
    return RankedResponse(
        content=response.content,
        model=response.model_name,
        origin=origin,
        tool_call=response.tool_call,
        safety=safety,
        checkpoint=response.checkpoint.content_hash if response.checkpoint else "",
    )


def usable_judgements(project: Project) -> QuerySet[Judgement]:
    """Those that can train: without those of flagged and withdrawn comparisons."""
    return Judgement.objects.filter(
        comparison__project=project,
        comparison__state__in=[State.OPEN, State.FULL],
        standing__in=Judgement.IN_RECORDS,
    )


def _judgements(project: Project, rounds: set[int] | None) -> QuerySet[Judgement]:
    found = with_parts(usable_judgements(project).filter(comparison__erased_at=None)).order_by("pk")
    return found if rounds is None else found.filter(comparison__round__in=rounds)


def with_parts(judgements: QuerySet[Judgement]) -> QuerySet[Judgement]:
    """With all that a record needs, table by table: a join of seven goes badly wrong on stale statistics."""
    return judgements.prefetch_related(
        "edit",
        "annotator",
        "comparison__left__checkpoint",
        "comparison__right__checkpoint",
        "comparison__dialog__prompt",
    )


def release_holds(project_id: int, release_id: int | None) -> bool:
    """Whether this is the project's release now, and until the caller's transaction ends.

    So what two models wrote is stored under the release that wrote it, or not at all.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT release_id FROM annotation_project WHERE id = %s FOR SHARE", [project_id])
        row = cursor.fetchone()
    return row is not None and row[0] == release_id
