"""Reviewers' decisions about comparisons whose people disagree."""

import uuid

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.errors import Conflict
from accounts.models import User
from accounts.services import audit_record
from annotation.conflicts import conflicts_changed
from annotation.models import Comparison, Edit, Judgement
from annotation.services.judging import Verdict, edit_of

Standing = Judgement.Standing


def comparison_decide(comparison: Comparison, *, reviewer: User, verdict: Verdict) -> Judgement:
    """From now on this judgement stands for the comparison in all records.

    What people said still counts for agreement.

    Raises Conflict where the comparison is not full, is decided, or was judged by the reviewer, Invalid
    where the edit makes no sense.
    """
    with transaction.atomic():
        locked = Comparison.objects.select_for_update().get(pk=comparison.pk)
        if locked.state != Comparison.State.FULL:
            raise Conflict(_("People are still judging this comparison: wait until it is full, then decide."))
        others = list(
            locked.judgements.exclude(standing=Standing.UNDONE).values_list("annotator", "standing")
        )
        if any(standing == Standing.DECISION for _annotator, standing in others):
            raise Conflict(_("Somebody has decided about this comparison: undo that first."))
        if any(annotator == reviewer.pk for annotator, _standing in others):
            raise Conflict(_("You judged this comparison yourself: let another reviewer decide."))
        edited = edit_of(comparison, verdict)
        judgement = Judgement.objects.create(
            comparison=locked,
            annotator=reviewer,
            preferred=verdict.preferred,
            strength=verdict.strength,
            reasons=list(verdict.reasons),
            comment=verdict.comment,
            idempotency_key=f"decision-{uuid.uuid4().hex}",
            standing=Standing.DECISION,
            decision=locked.judgements.filter(annotator=reviewer).count() + 1,
        )
        if edited is not None:
            Edit.objects.create(judgement=judgement, content=edited)
        locked.judgements.filter(standing=Standing.COUNTED).update(standing=Standing.SUPERSEDED)
        audit_record(
            reviewer,
            "comparison.decide",
            locked,
            {"judgement": judgement.pk, "preferred": verdict.preferred, "strength": verdict.strength},
        )
    conflicts_changed(comparison.project)
    return judgement


def decision_undo(decision: Judgement, *, actor: User) -> None:
    """People's judgements count again; the decision counts nowhere.

    It is kept all the same: what has learned from it can still be named.

    Raises Conflict where it does not stand.
    """
    with transaction.atomic():
        comparison = Comparison.objects.select_for_update().get(pk=decision.comparison_id)
        undone = comparison.judgements.filter(pk=decision.pk, standing=Standing.DECISION)
        if not undone.update(standing=Standing.UNDONE):
            raise Conflict(_("This decision does not stand any more: there is nothing to undo."))
        comparison.judgements.filter(standing=Standing.SUPERSEDED).update(standing=Standing.COUNTED)
        num = comparison.judgements.filter(standing=Standing.COUNTED).count()
        if comparison.state == Comparison.State.FULL and num < comparison.needed:
            comparison.state = Comparison.State.OPEN  # somebody was excluded in between
            comparison.save(update_fields=["state"])
        audit_record(actor, "comparison.undecide", comparison, {"judgement": decision.pk})
    conflicts_changed(comparison.project)
