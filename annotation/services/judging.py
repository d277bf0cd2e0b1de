"""Judging: one transaction for judgement, edit, counters, assignment and audit row; skipping and flagging."""

import uuid
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.errors import Conflict, Forbidden, Invalid
from accounts.models import User
from accounts.services import audit_record
from annotation.agreement.certainty import Vote
from annotation.models import Assignment, Check, Comparison, Edit, Flag, Judgement, Membership, Project, Side
from annotation.records import Strength
from annotation.services.checking import check_follow_up, check_of, check_passed
from annotation.services.edit_checks import edit_check_draw, edit_check_follow_up
from annotation.services.judgement_sql import judgement_write
from annotation.services.leasing import (
    UNFINISHED,
    breaks,
    is_open_to,
    locked_assignment,
    locked_with_member,
    refuse_paused,
)
from annotation.services.overlap import num_more_needed
from annotation.services.refining import refined_by
from annotation.services.safety import SAFE, SafetyFlags, safety_kept
from annotation.services.statements import is_left_to_someone
from annotation.tags import unknown_tags
from webhooks.events import Event
from webhooks.services import emit

State = Assignment.State
KEY_ONCE = "judgement_idempotency_key"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a person says about a comparison."""

    preferred: Side
    strength: Strength
    edited: str | None = None
    """The chosen response as it should be; None, or the same text, is no edit."""
    reasons: tuple[str, ...] = ()
    comment: str = ""
    seconds: float | None = None
    safety: SafetyFlags = SAFE


def judgement_submit(
    *, comparison_id: int, annotator: User, lease: uuid.UUID, idempotency_key: str, verdict: Verdict
) -> tuple[Judgement, bool]:
    """Write the judgement, or find the one already written under this key; True where it is new.

    A lease that ran out is accepted while the comparison still has a place for this annotator. Raises
    Forbidden where the comparison is not assigned to them under this lease, Conflict where it is full,
    flagged or judged by them under another key, Invalid where the edit makes no sense
    or the project does not know a reason or a category of safety.
    """
    try:
        with transaction.atomic():
            comparison, assignment, member = locked_with_member(comparison_id, annotator)
            if assignment.state == State.SUBMITTED:
                return _submitted(assignment, idempotency_key), False
            refuse_paused(member)
            _refuse_unassigned(assignment, lease)
            _refuse_closed(comparison, assignment)
            return _judge(comparison, assignment, annotator, member, idempotency_key, verdict), True
    except IntegrityError as error:
        if not breaks(error, KEY_ONCE):
            raise
        raise Conflict(
            _("This Idempotency-Key belongs to another judgement of yours: use a new one.")
        ) from error


def comparison_skip(*, comparison_id: int, annotator: User, lease: uuid.UUID, reason: str = "") -> None:
    """Give the comparison back for others; it does not come to this person again. Twice is once.

    Where everyone of the project has had their turn at it, it goes to a reviewer.
    """
    with transaction.atomic():
        comparison, assignment = locked_assignment(comparison_id, annotator)
        if assignment.state == State.SKIPPED:
            return
        _refuse_unassigned(assignment, lease)
        assignment.state = State.SKIPPED
        assignment.save(update_fields=["state"])
        audit_record(annotator, "comparison.skip", comparison, {"reason": reason})
        if comparison.state == Comparison.State.OPEN and not is_left_to_someone(comparison):
            Flag.objects.update_or_create(
                comparison=comparison, annotator=annotator, defaults={"reason": Flag.SKIPPED_BY_EVERYONE}
            )
            comparison.state = Comparison.State.FLAGGED
            comparison.save(update_fields=["state"])
            audit_record(None, "comparison.flag", comparison, {"reason": Flag.SKIPPED_BY_EVERYONE})


def comparison_flag(
    *, comparison_id: int, annotator: User, lease: uuid.UUID, reason: Flag.Reason, comment: str = ""
) -> None:
    """Take the comparison out of everybody's hands until a reviewer has looked at it. Twice is once."""
    with transaction.atomic():
        comparison, assignment = locked_assignment(comparison_id, annotator)
        if assignment.state == State.FLAGGED:
            return
        _refuse_unassigned(assignment, lease)
        Flag.objects.create(comparison=comparison, annotator=annotator, reason=reason, comment=comment)
        assignment.state = State.FLAGGED
        assignment.save(update_fields=["state"])
        if comparison.state == Comparison.State.OPEN:
            comparison.state = Comparison.State.FLAGGED
            comparison.save(update_fields=["state"])
        audit_record(annotator, "comparison.flag", comparison, {"reason": reason, "comment": comment})
        data = {"project": comparison.project.slug, "comparison": comparison.pk, "reason": reason}
        emit(Event.COMPARISON_FLAGGED, data, project=comparison.project_id, texts={"comment": comment})


def flag_resolve(comparison: Comparison, *, keep: bool, actor: User) -> None:
    """A reviewer's word on a flagged comparison: hand it out again, or withdraw it for good.

    What everyone had skipped goes out to them once more.
    Raises Conflict where the comparison is not flagged.
    """
    with transaction.atomic():
        locked = Comparison.objects.select_for_update().get(pk=comparison.pk)
        if locked.state != Comparison.State.FLAGGED:
            raise Conflict(
                _("Comparison %(number)s is %(state)s, not flagged: nothing is to be resolved.")
                % {"number": locked.pk, "state": locked.get_state_display()}
            )
        is_full = locked.num_judgements >= locked.needed
        reopened = Comparison.State.FULL if is_full else Comparison.State.OPEN
        locked.state = reopened if keep else Comparison.State.WITHDRAWN
        locked.save(update_fields=["state"])
        if keep and locked.flags.filter(reason=Flag.SKIPPED_BY_EVERYONE).exists():
            locked.assignments.filter(state=State.SKIPPED).update(state=State.EXPIRED)
            locked.flags.filter(reason=Flag.SKIPPED_BY_EVERYONE).delete()
        audit_record(actor, "comparison.resolve", locked, {"state": locked.state})


def _submitted(assignment: Assignment, idempotency_key: str) -> Judgement:
    judgement = Judgement.objects.select_related("edit").get(assignment=assignment)
    judgement.comparison = assignment.comparison
    if judgement.idempotency_key != idempotency_key:
        raise Conflict(_("You have judged this comparison already: go on with the next one."))
    return judgement


def _refuse_unassigned(assignment: Assignment, lease: uuid.UUID) -> None:
    if assignment.lease != lease:
        raise Forbidden(_("This lease is not yours for this comparison: ask for the next one."))
    if assignment.state not in UNFINISHED:
        words = _("You have %(state)s this comparison: ask for the next one.")
        raise Forbidden(words % {"state": assignment.get_state_display()})


def _refuse_closed(comparison: Comparison, assignment: Assignment) -> None:
    if comparison.state not in Comparison.JUDGEABLE:
        words = _("This comparison is %(state)s already: go on with the next one.")
        raise Conflict(words % {"state": comparison.get_state_display()})
    if not is_open_to(comparison, assignment):
        raise Conflict(
            _("Your time for this comparison ran out and it went to somebody else: go on with the next.")
        )


def _judge(
    comparison: Comparison,
    assignment: Assignment,
    annotator: User,
    member: Membership | None,
    idempotency_key: str,
    verdict: Verdict,
) -> Judgement:
    edited = edit_of(comparison, verdict)
    if verdict.reasons:
        _refuse_unknown_reasons(comparison.project, verdict.reasons)
    safety = safety_kept(comparison.project, verdict.safety)
    check = check_of(comparison)
    passed = (
        check_passed(check, comparison, verdict.preferred, verdict.strength) if check is not None else None
    )
    judgement = Judgement(
        comparison=comparison,
        annotator=annotator,
        assignment=assignment,
        preferred=verdict.preferred,
        strength=verdict.strength,
        reasons=list(verdict.reasons),
        comment=verdict.comment,
        seconds=verdict.seconds,
        idempotency_key=idempotency_key,
        passed=passed,
        safety=safety,
        guidelines=comparison.project.guidelines_number,
    )
    vote = Vote(
        left=verdict.preferred == Side.LEFT, reliability=None if member is None else member.reliability
    )
    is_heard = judgement_write(judgement, more=num_more_needed(comparison, vote))
    # The relation knows that there is none, so that whoever reads the judgement need not ask the database.
    Judgement.edit.related.set_cached_value(judgement, _edit_create(judgement, assignment, edited))
    if check is None:
        if edited is not None and comparison.project.edit_share:
            edit_check_draw(judgement, comparison, edited)
        if is_heard:
            _tell(comparison, judgement, edited)
    elif check.kind == Check.Kind.EDIT:
        edit_check_follow_up(check, comparison.project)
    else:
        check_follow_up(check, member, annotator, comparison.project)
    return judgement


def _tell(comparison: Comparison, judgement: Judgement, edited: str | None) -> None:
    """Let webhooks know; of checks they hear nothing, which are no work."""
    emit(
        Event.JUDGEMENT_SUBMITTED,
        {
            "project": comparison.project.slug,
            "comparison": comparison.pk,
            "judgement": judgement.pk,
            "round": comparison.round,
            "preferred": judgement.preferred,
            "strength": judgement.strength,
            "edited": edited is not None,
        },
        project=comparison.project_id,
        texts={"comment": judgement.comment, "edit": edited},
    )


def _edit_create(judgement: Judgement, assignment: Assignment, edited: str | None) -> Edit | None:
    """The edit, if there is one, with who wrote it: the person, or the model that refined it last."""
    if edited is None:
        return None
    writer = refined_by(assignment, Side(judgement.preferred), edited) or "person"
    return Edit.objects.create(judgement=judgement, content=edited, model_name=writer)


def _refuse_unknown_reasons(project: Project, reasons: tuple[str, ...]) -> None:
    if project.reasons and (unknown := unknown_tags(reasons, project.reasons)):
        known = ", ".join(tag["value"] for tag in project.reasons)
        words = _("This project knows no reason %(reason)r: reload the page, or use one of %(known)s.")
        raise Invalid(words % {"reason": unknown[0], "known": known})


def edit_of(comparison: Comparison, verdict: Verdict) -> str | None:
    """The edit to keep, or None where the text was left as it is."""
    if verdict.edited is None:
        return None
    chosen, rejected = (answer.content for answer in comparison.chosen_first(verdict.preferred))
    if verdict.edited.strip() == chosen.strip():
        return None
    if not verdict.edited.strip():
        raise Invalid(_("The edited answer is empty: write one, or leave the answer as it is."))
    if verdict.edited.strip() == rejected.strip():
        raise Invalid(_("The edited answer is the rejected one: prefer that one instead."))
    return verdict.edited
