"""Agreement: against figures worked out by hand, published ones, and independent code."""

import math
from itertools import product

import numpy as np
import pytest

from annotation.agreement.bias import wilson
from annotation.agreement.dawid_skene import SMALLEST, dawid_skene
from annotation.agreement.kappa import Weighting, pairs_of_raters, weighted_kappa
from annotation.agreement.krippendorff import Metric, alpha, alpha_interval
from annotation.agreement.people import JudgementColumns, quality
from annotation.agreement.ratings import Ints, Ratings, agreement_with_others, percent_agreement

PUBLISHED = (
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
"""Four observers of twelve units: Krippendorff, Computing Krippendorff's Alpha-Reliability, section C."""


def ratings_of(rows: tuple[str, ...], num_levels: int) -> Ratings:
    """A row for each rater, a place for each unit; a dot is a missing rating."""
    cells = [
        (unit, rater, int(value) - 1)
        for rater, row in enumerate(rows)
        for unit, value in enumerate(row.split())
        if value != "."
    ]
    units, raters, levels = (np.array(column, dtype=np.int64) for column in zip(*cells, strict=True))
    return Ratings.of(units, raters, levels, num_levels=num_levels)


def ints(*numbers: int) -> Ints:
    return np.array(numbers, dtype=np.int64)


@pytest.mark.parametrize(
    ("metric", "published"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]
)
def test_alpha_is_the_published_one(metric: Metric, published: float) -> None:
    found = alpha(ratings_of(PUBLISHED, 5), metric)
    assert found is not None
    assert round(found, 3) == published


def test_alpha_of_two_sides_by_hand() -> None:
    # Coincidences: ll 2, rr 2, lr 1, rl 1; so D_o = 2/6, D_e = 2·3·3/(6·5), α = 1 - (1/3)/(3/5).
    found = alpha(ratings_of(("1 2 1", "1 2 2"), 2), "nominal")
    assert found == pytest.approx(1 - (1 / 3) / (3 / 5), abs=1e-12)


def test_the_interval_of_alpha_holds_it_and_depends_on_the_seed_alone() -> None:
    ratings = ratings_of(PUBLISHED, 5)
    first, again = (alpha_interval(ratings, "interval", seed=3) for _ in range(2))
    assert first is not None
    assert first.low is not None
    assert first.high is not None
    assert first.low < first.value < first.high <= 1
    assert first == again != alpha_interval(ratings, "interval", seed=4)


def test_the_interval_holds_the_true_alpha_as_often_as_it_says() -> None:
    # Two raters, each right with probability 0.8 on one of two equally frequent sides: α is 0.6² = 0.36.
    random, held = np.random.default_rng(0), 0
    for seed in range(200):
        truth = random.integers(0, 2, size=150)
        said = [np.where(random.random(150) < 0.8, truth, 1 - truth) for _ in range(2)]
        ratings = Ratings.of(
            np.tile(np.arange(150), 2), np.repeat([0, 1], 150), np.concatenate(said), num_levels=2
        )
        found = alpha_interval(ratings, "nominal", seed=seed, num_samples=400)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.36 <= found.high
    assert 0.91 <= held / 200 <= 0.99


@pytest.mark.parametrize(
    "rows",
    [("1 2 3",), ("1 2 .", ". . 3"), ("2 2 2", "2 2 2")],
    ids=["one annotator", "nothing shared", "one and the same rating"],
)
def test_what_is_not_defined_is_none(rows: tuple[str, ...]) -> None:
    ratings = ratings_of(rows, 4)
    metrics: tuple[Metric, ...] = ("nominal", "ordinal", "interval")
    assert [alpha(ratings, metric) for metric in metrics] == [None] * 3
    assert alpha_interval(ratings, "ordinal", seed=0) is None
    assert all(pair.linear is None for pair in pairs_of_raters(ratings, (1, 2, 3, 4), limit=9))
    if len(rows) == 1:
        assert percent_agreement(ratings) is None
        assert dawid_skene(ratings) is None


def test_one_shared_comparison_has_an_alpha_without_interval() -> None:
    found = alpha_interval(ratings_of(("1", "2"), 2), "nominal", seed=0)
    assert found is not None
    assert (found.value, found.low, found.high) == (0.0, None, None)


def test_weighted_kappa_by_hand() -> None:
    # Cells (0,0) (1,1) (2,2) (0,2): observed linear weight 2/4; expected by the margins (2,1,1)·(1,1,2).
    first, second = ints(0, 1, 2, 0), ints(0, 1, 2, 2)
    expected = {
        "linear": (2 * 1 * 1 + 2 * 2 * 2 + 1 * 1 + 1 * 2 + 1 * 2 + 1) / 16,
        "quadratic": (2 * 1 * 1 + 2 * 2 * 4 + 1 * 1 + 1 * 2 + 1 * 4 + 1) / 16,
    }
    observed: dict[Weighting, float] = {"linear": 2 / 4, "quadratic": 4 / 4}
    for weighting, seen in observed.items():
        found = weighted_kappa(first, second, weighting, (0.0, 1.0, 2.0))
        assert found == pytest.approx(1 - seen / expected[weighting], abs=1e-12)


def test_pairs_are_those_who_share_the_most() -> None:
    pairs = pairs_of_raters(ratings_of(("1 1 2 2 .", "1 2 2 1 .", "1 . . . 1"), 2), (0.0, 1.0), limit=2)
    assert [(pair.first, pair.second, pair.num_shared, pair.same) for pair in pairs] == [
        (0, 1, 4, 0.5),
        (0, 2, 1, 1.0),
    ]


def test_agreement_with_others_leaves_oneself_out() -> None:
    agrees, shared = agreement_with_others(ratings_of(("1 1 2 .", "1 2 . .", "2 1 . 1"), 2))
    assert agrees.tolist() == [0.5, 0.25, 0.25]
    assert shared.tolist() == [2, 2, 2]


def test_wilson_is_the_known_interval() -> None:
    share = wilson(8, 10)
    assert share is not None
    assert (round(share.low, 4), round(share.high, 4)) == (0.4902, 0.9433)
    assert wilson(0, 0) is None


def naive_dawid_skene(ratings: Ratings, smoothing: float, steps: int) -> list[list[float]]:
    """The paper's equations 2.3 to 2.5, cell by cell."""
    cells = list(zip(ratings.unit_R, ratings.rater_R, ratings.level_R, strict=True))
    classes = range(ratings.num_levels)
    counts = ratings.counts()
    truth = [[float(number) / sum(row) for number in row] for row in counts]
    for _ in range(steps):
        prior = [sum(row[true] for row in truth) / len(truth) for true in classes]
        said = dict.fromkeys(product(range(ratings.num_raters), classes, classes), smoothing)
        for unit, rater, level in cells:
            for true in classes:
                said[rater, true, level] += truth[unit][true]
        new = [list(prior) for _ in truth]
        for unit, rater, level in cells:
            for true in classes:
                whole = sum(said[rater, true, other] for other in classes)
                new[unit][true] *= max(said[rater, true, level] / whole, SMALLEST)
        truth = [[number / sum(row) for number in row] for row in new]
    return truth


def test_dawid_skene_is_the_papers_equations() -> None:
    random = np.random.default_rng(1)
    ratings = Ratings.of(
        np.repeat(np.arange(40), 3), random.integers(0, 6, 120), random.integers(0, 3, 120), num_levels=3
    )
    fitted = dawid_skene(ratings, smoothing=0.5, tolerance=-math.inf, max_steps=25)
    assert fitted is not None
    assert fitted.num_steps == 25
    np.testing.assert_allclose(fitted.posterior_UV, naive_dawid_skene(ratings, 0.5, 25), atol=1e-9)


def test_dawid_skene_finds_who_is_reliable() -> None:
    random = np.random.default_rng(2)
    truth, reliabilities = random.integers(0, 2, 600), (0.95, 0.85, 0.75, 0.5)
    right = np.stack([random.random(600) < reliability for reliability in reliabilities])
    levels = np.where(right, truth, 1 - truth)
    ratings = Ratings.of(
        np.tile(np.arange(600), 4), np.repeat(np.arange(4), 600), levels.ravel(), num_levels=2
    )
    fitted = dawid_skene(ratings)
    assert fitted is not None
    assert fitted.converged
    np.testing.assert_allclose(fitted.reliability(), reliabilities, atol=0.05)
    assert (fitted.posterior_UV.argmax(axis=1) == truth).mean() > 0.93


def test_a_persons_figures_by_hand() -> None:
    columns = JudgementColumns(
        comparison_R=ints(1, 2, 3, 1, 2),
        annotator_R=ints(7, 7, 7, 9, 9),
        grade_R=ints(0, 3, 6, 1, 7),
        domain_R=ints(0, 0, 1, 0, 0),
        seconds_R=np.array([1.0, 60.0, 90.0, np.nan, np.nan]),
        words_left_R=ints(100, 10, 10, 100, 10),
        words_right_R=ints(50, 50, 10, 50, 50),
        domains=("code", "general"),
    )
    found = quality(columns)
    first, second = found.people
    assert (first.annotator, first.num_judgements, first.num_shared, first.agrees) == (7, 3, 2, 0.5)
    assert first.prefers_left is not None
    assert first.prefers_left.value == 2 / 3
    assert first.prefers_longer is not None
    assert (first.prefers_longer.value, first.prefers_longer.num) == (0.5, 2)  # equal lengths do not count
    assert first.median_seconds == 60
    assert first.too_fast is not None
    assert first.too_fast.value == 1 / 3  # 150 words in one second
    assert (second.median_seconds, second.too_fast) == (None, None)
    assert [(domain, each.num_judgements, each.num_shared) for domain, each in found.domains] == [
        ("code", 4, 2),
        ("general", 1, 0),
    ]
    assert found.domains[1][1].side is None
