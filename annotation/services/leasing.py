"""Handing out comparisons: leases that run out, and drafts that do not.

The rule that keeps a comparison from being handed to more people than it needs: whoever gives, renews or
ends an assignment holds the lock on its comparison's row. `FOR UPDATE SKIP LOCKED` finds a comparison
that nobody else is just deciding about; how many people hold it is then counted in a statement of its
own, because the one that took the lock may still see the time before.
"""

from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.errors import Conflict, Forbidden, NotFound
from accounts.models import User
from annotation.models import Assignment, Comparison, Dialog, Membership, Project, Prompt, Response
from annotation.records import Message
from annotation.services.checking import WorkStopped, check_hand_out, must_qualify
from annotation.services.edit_checks import edit_hand_out
from annotation.services.exposure import refuse_not_opted_in, refuse_overexposed
from annotation.services.masking import message_masked
from annotation.services.statements import (
    AtWork,
    Search,
    at_work,
    comparison_lock,
    free_comparison_lock,
    own_assignment,
    place_renew,
    place_take,
)
from annotation.services.waiting import ready_pair_take, wait_end, wait_note

State = Assignment.State
IN_HAND = "assignment_one_in_hand"
AHEAD = "assignment_one_ahead"
HOLDING = frozenset({State.ACTIVE, State.RESERVED})
UNFINISHED = HOLDING | {State.EXPIRED}
"""States in which a person may still write and judge."""
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
    flagged, and never one that enough people hold or have judged. What was written for them comes first,
    and now and then one made from a check. Raises Forbidden where they are paused or did not qualify,
    NotOptedIn or ExposureReached where the content is sensitive and not, or no more, for them.
    """
    for _try in range(MAX_TRIES):
        work = at_work(project, annotator)
        refuse_paused(work.member)
        refuse_not_opted_in(project, work.member)
        try:
            active = _renew(work.held, project, annotator, State.ACTIVE)
            if active is not None:
                return active
            refuse_overexposed(project, annotator)
            check = check_hand_out(project, annotator, work, _lease_end(project))
            # What is kept for them was drawn when it was fetched.
            if check is None and work.reserved is None:
                check = edit_hand_out(project, annotator, work, _lease_end(project))
            return check or _own_or_shared(project, annotator, work)
        except IntegrityError as error:
            if not breaks(error, IN_HAND):
                raise
        # The same person was handed one at the same moment, in another window: that one it is.
    raise Conflict(_("You are asking for comparisons in several places at once: use one."))


def comparison_ahead(project: Project, annotator: User) -> Assignment | None:
    """What `comparison_next` will give once the person is done with what they hold, kept for them until then.

    Leased like that; None where nothing is left, where a pair that was written for them comes next, where
    checks of a known answer are mixed into the work (one that takes the place of what is kept would stand
    out), and where how much a person sees is counted.
    """
    for _try in range(MAX_TRIES):
        work = at_work(project, annotator)
        refuse_paused(work.member)
        has_checks = project.gold_share or (work.member is not None and must_qualify(project, work.member))
        if has_checks or project.sensitive:
            return None
        if work.ready is not None:
            return None
        try:
            reserved = _renew(work.reserved, project, annotator, State.RESERVED)
            if reserved is None:
                reserved = edit_hand_out(project, annotator, work, _lease_end(project), State.RESERVED)
            return reserved or _lease(project, annotator, State.RESERVED)
        except IntegrityError as error:
            if not breaks(error, AHEAD):
                raise
    return None


def held_put_aside(project: Project, annotator: User) -> None:
    """What the person holds in the project is no longer in their hands; its draft is kept."""
    Assignment.objects.filter(project=project, annotator=annotator, state=State.ACTIVE).update(
        state=State.EXPIRED
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
        if assignment.state not in UNFINISHED:
            words = _("This comparison is %(state)s already: go on with the next one.")
            raise Conflict(words % {"state": assignment.get_state_display()})
        assignment.draft = _draft_kept(comparison, draft)
        now = timezone.now()
        if assignment.state in HOLDING and assignment.expires_at > now:
            assignment.expires_at = now + timedelta(seconds=comparison.project.lease_seconds)
        assignment.save(update_fields=["draft", "expires_at"])
    return assignment


def locked_assignment(comparison_id: int, annotator: User) -> tuple[Comparison, Assignment]:
    """The comparison, locked, and the annotator's assignment of it. Call it in a transaction.

    Raises NotFound where there is no such comparison in a project of theirs, Forbidden where it was never
    handed to them.
    """
    comparison, assignment, _member = locked_with_member(comparison_id, annotator)
    return comparison, assignment


def locked_with_member(
    comparison_id: int, annotator: User
) -> tuple[Comparison, Assignment, Membership | None]:
    """The same and the person's membership; None for an admin of the whole site."""
    locked = comparison_lock(comparison_id, annotator)
    if locked is None or (locked[1] is None and not annotator.is_admin):
        words = _("There is no comparison %(number)s for you: ask for the next one.")
        raise NotFound(words % {"number": comparison_id})
    comparison, member = locked
    assignment = own_assignment(comparison, annotator)
    if assignment is None:
        raise Forbidden(_("This comparison is not assigned to you: ask for the next one."))
    assignment.comparison = comparison
    return comparison, assignment, member


def refuse_paused(member: Membership | None) -> None:
    """Raises Forbidden where the person is paused in the project."""
    if member is not None and member.paused_at is not None:
        raise WorkStopped(_("Your work in this project is paused: ask its admin. Your drafts are kept."))


def is_open_to(comparison: Comparison, assignment: Assignment) -> bool:
    """Whether the locked comparison still has a place for the holder of `assignment`."""
    if comparison.state not in Comparison.JUDGEABLE:
        return False
    now = timezone.now()
    if assignment.state in HOLDING and assignment.expires_at > now:
        return True
    others = Assignment.objects.filter(comparison=comparison, state__in=HOLDING, expires_at__gt=now).exclude(
        annotator_id=assignment.annotator_id
    )
    return comparison.num_judgements + others.count() < comparison.needed


def breaks(error: IntegrityError, constraint: str) -> bool:
    """Whether it is this constraint of the database that refused."""
    diagnosis = getattr(error.__cause__, "diag", None)
    return getattr(diagnosis, "constraint_name", None) == constraint


def _draft_kept(comparison: Comparison, draft: dict[str, Any]) -> dict[str, Any]:  # Any: JSON
    """The draft as it may be stored: its next message masked where the project masks."""
    if not draft.get("next_message"):
        return draft
    earlier = [Message(**message) for message in comparison.context]
    return {**draft, "next_message": message_masked(comparison.project, earlier, draft["next_message"])}


def _renew(
    held: Assignment | None, project: Project, annotator: User, state: Assignment.State
) -> Assignment | None:
    """Prolong what the person holds, from now on in `state`; None, and it is put aside, where it is not
    open to them any more. What was kept for them before a new round began is not."""
    if held is None:
        return None
    with transaction.atomic():
        locked = comparison_lock(held.comparison_id, annotator)
        assert locked is not None, held
        comparison, _member = locked
        is_late = held.state == State.RESERVED and comparison.round != project.current_round
        if comparison.state in Comparison.JUDGEABLE and not is_late:
            now = timezone.now()
            renewed = place_renew(held, comparison, now, _lease_end(project), state)
            if renewed is not None:
                renewed.comparison = comparison
                return renewed
        Assignment.objects.filter(pk=held.pk, state=held.state).update(state=State.EXPIRED)
    return None


def _own_or_shared(project: Project, annotator: User, work: AtWork) -> Assignment | None:
    """A pair that was written for this person, else what was kept for them, else one of everybody's; how
    long they wait is noted."""
    own = ready_pair_take(project, annotator, work)
    if own is not None:
        return own
    assignment = _renew(work.reserved, project, annotator, State.ACTIVE) or _lease(
        project, annotator, State.ACTIVE
    )
    if assignment is None and not wait_note(project, annotator, work):
        # Another window of theirs was handed one at the same moment: that one it is.
        return comparison_next(project, annotator)
    if assignment is not None and work.waiting_since is not None:
        wait_end(project, annotator)
    return assignment


def _lease(project: Project, annotator: User, state: Assignment.State) -> Assignment | None:
    """Hand out the first comparison with a place; where all that is left is locked, wait for the locks."""
    passed_over: list[int] = []
    for search in Search:
        while (found := _lease_one(project, annotator, passed_over, search, state)) is not None:
            comparison, assignment = found
            if assignment is not None:
                assignment.comparison = comparison
                return assignment
            passed_over.append(comparison.pk)
    return None


def _lease_one(
    project: Project, annotator: User, passed_over: list[int], search: Search, state: Assignment.State
) -> tuple[Comparison, Assignment | None] | None:
    """A transaction of its own, so that nobody ever waits for one lock while holding another."""
    with transaction.atomic():
        now = timezone.now()
        comparison = free_comparison_lock(project, annotator, now, passed_over, search)
        if comparison is None:
            return None
        return comparison, place_take(comparison, annotator, now, _lease_end(project), state)


def _lease_end(project: Project) -> datetime:
    return timezone.now() + timedelta(seconds=project.lease_seconds)
