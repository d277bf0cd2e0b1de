"""How many people judge a comparison: decided anew after each judgement, where the project says so."""

from collections.abc import Mapping

from django.db import transaction
from django.db.models import OuterRef, Subquery
from django.utils.translation import gettext as _

from accounts.errors import Invalid
from accounts.services import audit_record
from annotation.agreement.certainty import Vote, majority_certainty
from annotation.figures.quality import project_quality
from annotation.models import Comparison, Judgement, Membership, OverlapMode, Project, Side


def num_more_needed(comparison: Comparison, vote: Vote) -> int:
    """1 where one more person than so far is to judge the locked comparison after this vote, else 0.

    Call it before the vote is written. One statement, and only for the last one needed in a project of
    adaptive overlap.
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
    votes = [*votes_on(comparison), vote]
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


def reliabilities_learn() -> None:
    """Keep how reliable everybody is, in the projects of adaptive overlap: from all that is judged there.

    By Dawid and Skene's model, as on the quality page. Nobody's work waits for it.
    """
    for project in Project.objects.filter(overlap_mode=OverlapMode.ADAPTIVE):
        found = project_quality(project, patient=True)
        if found is None or isinstance(found, int):
            continue
        known = {person.annotator: person.reliability for person in found.figures.people}
        memberships = list(Membership.objects.filter(project=project, user__in=known))
        for membership in memberships:
            membership.reliability = known[membership.user_id]
        Membership.objects.bulk_update(memberships, ["reliability"], batch_size=500)


def predictions_set(project: Project, predicted: Mapping[int, float | None]) -> int:
    """Keep a reward model's probabilities that left is better, by comparison; how many were kept.

    None marks a comparison as too long for it. Open comparisons of the project alone: of the others nobody
    will be asked. Raises Invalid where one is no probability.
    """
    wrong = [pk for pk, left in predicted.items() if left is not None and not 0 <= left <= 1]
    if wrong:
        raise Invalid(_("The prediction of comparison %d is not between 0 and 1.") % wrong[0])
    with transaction.atomic():
        comparisons = list(
            Comparison.objects.select_for_update()
            .filter(project=project, pk__in=predicted, state=Comparison.State.OPEN)
            .order_by("pk")
        )
        for comparison in comparisons:
            comparison.predicted = predicted[comparison.pk]
            comparison.too_long = comparison.predicted is None
        Comparison.objects.bulk_update(comparisons, ["predicted", "too_long"], batch_size=500)
        num_too_long = sum(comparison.too_long for comparison in comparisons)
        counts = {"comparisons": len(comparisons) - num_too_long, "too_long": num_too_long}
        audit_record(None, "comparisons.predict", project, counts)
    return counts["comparisons"]
