"""Leaving an edit out of the data that lost when it was judged again."""

from django.utils.translation import gettext as _

from accounts.errors import Conflict
from accounts.models import User
from annotation.models import Check, Comparison, Judgement, Side
from annotation.records import Strength
from annotation.services.adjudication import comparison_decide
from annotation.services.judging import Verdict


def edit_leave_out(check: Check, *, actor: User) -> Judgement:
    """Decide the edited comparison as its only judge did, but without the edit; it can be undone.

    Raises Conflict where several people's judgements count, as `comparison_decide` does where it is decided
    already or the actor has judged it, or where the edit is erased.
    """
    assert check.judgement is not None, check
    edited = check.judgement
    comparison = Comparison.objects.select_related("left", "right", "project").get(pk=edited.comparison_id)
    if check.prompt.erased_at is not None:
        raise Conflict(_("This edit is erased: it is part of no record any more."))
    counted = comparison.judgements.filter(standing=Judgement.Standing.COUNTED)
    if counted.exclude(pk=edited.pk).exists():
        raise Conflict(
            _("Several people judged this comparison: what they say together must be decided, not one edit.")
        )
    verdict = Verdict(
        preferred=Side(edited.preferred),
        strength=Strength(edited.strength),
        reasons=tuple(edited.reasons),
        comment=_("The edit is left out: it lost when it was judged again."),
    )
    return comparison_decide(comparison, reviewer=actor, verdict=verdict)
