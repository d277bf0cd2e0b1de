"""How often people choose the answer that the reward model expected, and where they do not. Reads only.

For admins: whoever judges must not know what is expected.
"""

from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, F, FloatField, Q, QuerySet, Value, When

from annotation.agreement.bias import Share, wilson
from annotation.judging_words import STRENGTHS
from annotation.models import Comparison, Judgement, Project, Side
from annotation.records import Strength

SURE = 0.7
"""From here on a prediction speaks against a person who chose the other answer."""
MAX_ROWS = 20
MAX_CHARACTERS = 300


@dataclass(frozen=True, kw_only=True)
class Disagreement:
    """A judgement for the answer that the reward model thinks worse."""

    judgement: Judgement
    """With its comparison and annotator."""
    question: str
    expected: float
    """The probability that the other answer is preferred."""
    words: str
    """How strongly the person preferred theirs."""


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """People against the reward model."""

    overall: Share
    """Of judgements for the answer that it expected."""
    by_strength: list[tuple[str, Share]]
    """Strongest first."""
    disagreements: list[Disagreement]
    """The surest predictions first."""
    num_too_long: int
    """Comparisons without a prediction, because they are too long for the reward model."""


def predicted_agreement(project: Project) -> Predicted | None:
    """Of the project's judgements of comparisons with a prediction; None where there are none.

    Three statements.
    """
    counted = _judgements(project)
    rows = list(
        counted.values("strength")
        .annotate(num=Count("pk"), agree=Count("pk", filter=Q(expected__lt=0.5)))
        .values_list("strength", "num", "agree")
    )
    overall = wilson(sum(agree for _, _, agree in rows), sum(num for _, num, _ in rows))
    if overall is None:
        return None
    shares = {strength: wilson(agree, num) for strength, num, agree in rows}
    surest = counted.filter(expected__gte=SURE).select_related("comparison", "annotator")
    return Predicted(
        overall=overall,
        by_strength=[
            (str(STRENGTHS[strength]), share)
            for strength in Strength
            if (share := shares.get(strength.value)) is not None
        ],
        disagreements=[
            Disagreement(
                judgement=judgement,
                question=judgement.comparison.context[-1]["content"][:MAX_CHARACTERS],
                expected=_expected(judgement),
                words=str(STRENGTHS[Strength(judgement.strength)]),
            )
            for judgement in surest.order_by("-expected", "pk")[:MAX_ROWS]
        ],
        num_too_long=Comparison.objects.filter(project=project, too_long=True).count(),
    )


def _expected(judgement: Judgement) -> float:
    predicted = judgement.comparison.predicted
    assert predicted is not None, judgement
    return predicted if judgement.preferred == Side.RIGHT else 1 - predicted


def _judgements(project: Project) -> QuerySet[Any]:  # Any: of judgements with one value more
    """With `expected`, the probability that the answer which the person did not choose is preferred."""
    left = F("comparison__predicted")
    expected = Case(
        When(preferred=Side.RIGHT, then=left), default=Value(1.0) - left, output_field=FloatField()
    )
    return Judgement.objects.filter(
        comparison__project=project,
        comparison__predicted__isnull=False,
        comparison__erased_at=None,
        standing__in=Judgement.IN_AGREEMENT,
    ).annotate(expected=expected)
