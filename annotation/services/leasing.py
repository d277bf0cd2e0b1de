"""Handing out comparisons: leases that run out, and drafts that do not.

The rule that keeps a comparison from being handed to more people than it needs: whoever gives, renews or
ends an assignment holds the lock on its comparison's row. `FOR UPDATE SKIP LOCKED` finds a comparison
that nobody else is just deciding about; how many people hold it is then counted in a statement of its
own, because the one that took the lock may still see the time before.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, F, FilteredRelation, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.errors import Conflict, Forbidden, NotFound
from accounts.models import User
from annotation.models import Assignment, Comparison, Dialog, Project, Prompt, Response

State = Assignment.State
IN_HAND = "assignment_one_in_hand"
MAX_TRIES = 3


def comparison_create(
    *,
    prompt: Prompt,
    left: Response,
    right: Response,
    round_number: int,
    seed: int | None = None,
) -> Comparison:
    """One open comparison of two saved responses to `prompt`, in a new dialog."""
    with transaction.atomic():
        dialog = Dialog.objects.create(project_id=prompt.project_id, prompt=prompt)
        return Comparison.objects.create(
            project_id=prompt.project_id,
            dialog=dialog,
            round=round_number,
            context=prompt.context,
            left=left,
            right=right,
            seed=seed,
            needed=prompt.project.overlap,
        )


def comparison_next(project: Project, annotator: User) -> Assignment | None:
    """The comparison that `annotator` holds in the project, else a new one; None where none is left for them.

    The assignment comes with its comparison and both responses. Never one that they judged, skipped or
    flagged, and never one that enough people hold or have judged.
    """
    for _ in range(MAX_TRIES):
        held = _held(project, annotator)
        if held is not None and _renew(held, project):
            return held
        try:
            return _lease(project, annotator)
        except IntegrityError as error:
            if not breaks(error, IN_HAND):
                raise
        # The same person was handed one at the same moment, in another window: that one it is.
    raise Conflict("You are asking for comparisons in several places at once: use one.")


def comparison_lease(comparison: Comparison, annotator: User, project: Project) -> Assignment:
    """Hand this very comparison to `annotator`; what else they hold in the project is put aside.

    For a comparison that nobody else can have seen yet, inside the transaction that makes it.
    """
    Assignment.objects.filter(project=project, annotator=annotator, state=State.ACTIVE).update(
        state=State.EXPIRED
    )
    return Assignment.objects.create(
        project=project, comparison=comparison, annotator=annotator, expires_at=_lease_end(project)
    )


def draft_save(
    *,
    comparison_id: int,
    annotator: User,
    draft: dict[str, Any],  # Any: JSON
) -> Assignment:
    """Keep what the person has typed so far, and their hold on the comparison with it.

    A lease that ran out is not renewed, but the draft is kept. Raises Forbidden where the comparison is
    not theirs, Conflict where they are done with it.
    """
    with transaction.atomic():
        comparison, assignment = locked_assignment(comparison_id, annotator)
        if assignment.state not in (State.ACTIVE, State.EXPIRED):
            raise Conflict(f"This comparison is {assignment.state} already: go on with the next one.")
        assignment.draft = draft
        now = timezone.now()
        if assignment.state == State.ACTIVE and assignment.expires_at > now:
            assignment.expires_at = _lease_end(comparison.project)
        assignment.save(update_fields=["draft", "expires_at"])
    return assignment


def locked_assignment(comparison_id: int, annotator: User) -> tuple[Comparison, Assignment]:
    """The comparison, locked, and the annotator's assignment of it. Call it in a transaction.

    Raises NotFound where there is no such comparison, Forbidden where it was never handed to them or
    they have left the project.
    """
    comparison = (
        Comparison.objects.select_for_update(of=("self",))
        .select_related("project", "left", "right")
        .annotate(
            own_membership=FilteredRelation(
                "project__memberships", condition=Q(project__memberships__user=annotator)
            )
        )
        .annotate(own_role=F("own_membership__role"))
        .filter(pk=comparison_id)
        .first()
    )
    if comparison is None:
        raise NotFound(f"There is no comparison {comparison_id}.")
    if comparison.own_role is None and not annotator.is_admin:
        raise Forbidden("You are not a member of this comparison's project.")
    assignment = Assignment.objects.filter(comparison=comparison, annotator=annotator).first()
    if assignment is None:
        raise Forbidden("This comparison is not assigned to you: ask for the next one.")
    return comparison, assignment


def is_open_to(comparison: Comparison, assignment: Assignment) -> bool:
    """Whether the locked comparison still has a place for the holder of `assignment`."""
    if comparison.state != Comparison.State.OPEN:
        return False
    now = timezone.now()
    if assignment.state == State.ACTIVE and assignment.expires_at > now:
        return True
    others = _num_holders(comparison, except_for=assignment.annotator_id)
    return comparison.num_judgements + others < comparison.needed


def _held(project: Project, annotator: User) -> Assignment | None:
    return (
        Assignment.objects.select_related("comparison__left", "comparison__right")
        .filter(project=project, annotator=annotator, state=State.ACTIVE)
        .first()
    )


def _renew(assignment: Assignment, project: Project) -> bool:
    """Prolong what the person holds; False, and it is put aside, where it is no longer open to them."""
    with transaction.atomic():
        comparison = Comparison.objects.select_for_update().get(pk=assignment.comparison_id)
        assignment.refresh_from_db(fields=["state", "expires_at", "draft"])
        if assignment.state != State.ACTIVE:
            return False
        if not is_open_to(comparison, assignment):
            assignment.state = State.EXPIRED
            assignment.save(update_fields=["state"])
            return False
        assignment.expires_at = _lease_end(project)
        assignment.save(update_fields=["expires_at"])
    return True


def _lease(project: Project, annotator: User) -> Assignment | None:
    passed_over: list[int] = []
    with transaction.atomic():
        while (picked := _pick(project, annotator, passed_over)) is not None:
            comparison, own_assignment = picked
            if comparison.num_judgements + _num_holders(comparison) < comparison.needed:
                return _assign(comparison, own_assignment, annotator, project)
            passed_over.append(comparison.pk)
    return None


def _pick(project: Project, annotator: User, passed_over: list[int]) -> tuple[Comparison, int | None] | None:
    """Lock the oldest comparison of the current round that seems free for this person.

    With it comes the key of the assignment they had of it, if they ever put it aside.
    """
    holders = (
        Assignment.objects.filter(
            comparison=OuterRef("pk"), state=State.ACTIVE, expires_at__gt=timezone.now()
        )
        .order_by()
        .values("comparison")
        .annotate(num=Count("pk"))
        .values("num")
    )
    comparison = (
        Comparison.objects.select_for_update(skip_locked=True, of=("self",))
        .select_related("left", "right")
        .filter(project=project, round=project.current_round, state=Comparison.State.OPEN)
        .exclude(pk__in=passed_over)
        .annotate(own=FilteredRelation("assignments", condition=Q(assignments__annotator=annotator)))
        .filter(Q(own__isnull=True) | Q(own__state=State.EXPIRED))
        .filter(num_judgements__lt=F("needed") - Coalesce(Subquery(holders), 0))
        .annotate(own_assignment=F("own__pk"))
        .order_by("pk")
        .first()
    )
    return None if comparison is None else (comparison, comparison.own_assignment)


def _assign(
    comparison: Comparison, own_assignment: int | None, annotator: User, project: Project
) -> Assignment:
    """Give the locked comparison to the person; had they put it aside, their draft comes back with it."""
    expires_at = _lease_end(project)
    if own_assignment is None:
        return Assignment.objects.create(
            project=project, comparison=comparison, annotator=annotator, expires_at=expires_at
        )
    assignment = Assignment.objects.get(pk=own_assignment)
    assignment.comparison = comparison
    assignment.state = State.ACTIVE
    assignment.expires_at = expires_at
    assignment.save(update_fields=["state", "expires_at"])
    return assignment


def _num_holders(comparison: Comparison, except_for: int | None = None) -> int:
    holders = Assignment.objects.filter(
        comparison=comparison, state=State.ACTIVE, expires_at__gt=timezone.now()
    )
    return holders.exclude(annotator_id=except_for).count() if except_for else holders.count()


def _lease_end(project: Project) -> datetime:
    return timezone.now() + timedelta(seconds=project.lease_seconds)


def breaks(error: IntegrityError, constraint: str) -> bool:
    """Whether it is this constraint of the database that refused."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None) == constraint
