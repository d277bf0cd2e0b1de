"""How many people judge a comparison: decided anew after each judgement, where the project says so."""

from django.db.models import OuterRef, Subquery

from annotation.agreement.certainty import Vote, majority_certainty
from annotation.models import Comparison, Judgement, Membership, OverlapMode, Side


def num_more_needed(comparison: Comparison) -> int:
    """1 where one more person than so far is to judge the locked comparison, else 0.

    Call it when a judgement is written but not yet counted in `num_judgements`. One statement, and only
    for the last one needed in a project of adaptive overlap.
    """
    project = comparison.project
    num = comparison.num_judgements + 1
    if (
        project.overlap_mode != OverlapMode.ADAPTIVE
        or comparison.state != Comparison.State.OPEN
        or num < comparison.needed
        or num >= project.overlap_most
    ):
        return 0
    votes = votes_on(comparison)
    return int(majority_certainty(votes, predicted=comparison.predicted) < project.certainty)


def votes_on(comparison: Comparison) -> list[Vote]:
    """What people said of the comparison, each with how reliable they are, as far as anybody knows."""
    member = Membership.objects.filter(project=comparison.project_id, user=OuterRef("annotator"))
    rows = (
        comparison.judgements.filter(standing=Judgement.Standing.COUNTED)
        .annotate(reliability=Subquery(member.values("reliability")))
        .values_list("preferred", "reliability")
    )
    return [Vote(left=preferred == Side.LEFT, reliability=known) for preferred, known in rows]
