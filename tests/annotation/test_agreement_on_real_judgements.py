"""Agreement on real judgements by several people equals what independent libraries found, to 1e-9.

The figures come from krippendorff 0.9.0, scikit-learn 1.9.1 (`cohen_kappa_score` with all levels named)
and crowd-kit 1.4.2 (`DawidSkene`, 150 steps). None of them is needed here: one is under the GPL, and the
others would bring a hundred megabytes along.
"""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotation.agreement.dawid_skene import dawid_skene
from annotation.agreement.kappa import Weighting, weighted_kappa
from annotation.agreement.krippendorff import Metric, alpha, alpha_interval
from annotation.agreement.ratings import Ratings

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "preferences"
pytestmark = pytest.mark.skipif(
    not DATA.exists() and "CI" not in os.environ, reason="the real data is not on this machine"
)

Judged = dict[str, Any]  # Any: JSON


def real_ratings(name: str, level: Callable[[Judged], int], num_levels: int) -> Ratings:
    """Every named person's first judgement of each comparison of a file."""
    found: dict[tuple[int, str], int] = {}
    with gzip.open(DATA / name, "rt", encoding="utf-8") as lines:
        for unit, line in enumerate(lines):
            for judged in json.loads(line)["judgements"]:
                if judged["annotator"]:
                    found.setdefault((unit, judged["annotator"]), level(judged))
    units, raters = np.array([unit for unit, _ in found]), np.array([rater for _, rater in found])
    return Ratings.of(units, raters, np.array(list(found.values())), num_levels=num_levels)


@pytest.fixture(scope="module")
def graded() -> Ratings:
    """Grades from -4 to 4: 141 comparisons by several people, thousands by one."""
    return real_ratings("cohere_graded_ratings.jsonl.gz", lambda judged: int(judged["strength"]) + 4, 9)


@pytest.fixture(scope="module")
def voted() -> Ratings:
    """Votes of the same three people on 810 comparisons: a, tie or b."""
    return real_ratings(
        "pandalm_3annotators.jsonl.gz", lambda judged: ["a", "tie", "b"].index(judged["winner"]), 3
    )


GRADES = tuple(float(grade) for grade in range(-4, 5))
VOTES = (-1.0, 0.0, 1.0)


@pytest.mark.parametrize(
    ("metric", "on_grades", "on_votes"),
    [
        ("nominal", 0.08219673360595525, 0.8701496603957528),
        ("ordinal", 0.38817416616302836, 0.8848623520013962),
        ("interval", 0.4104209327499886, 0.8846469418768939),
    ],
)
def test_alpha_is_krippendorffs(
    graded: Ratings, voted: Ratings, metric: Metric, on_grades: float, on_votes: float
) -> None:
    assert alpha(graded, metric, GRADES) == pytest.approx(on_grades, abs=1e-9)
    assert alpha(voted, metric, VOTES) == pytest.approx(on_votes, abs=1e-9)
    found = alpha_interval(graded, metric, GRADES, seed=0)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high


@pytest.mark.parametrize(
    ("weighting", "of_pairs"),
    [
        ("linear", (0.8710633602344133, 0.8847107092797668, 0.8807120999321012)),
        ("quadratic", (0.8760864548880856, 0.890556453474948, 0.8872051687900568)),
    ],
)
def test_kappa_is_scikit_learns(
    voted: Ratings, weighting: Weighting, of_pairs: tuple[float, float, float]
) -> None:
    level_AU = np.empty((voted.num_raters, voted.num_units), dtype=np.int64)
    level_AU[voted.rater_R, voted.unit_R] = voted.level_R
    for (first, second), expected in zip(((0, 1), (0, 2), (1, 2)), of_pairs, strict=True):
        found = weighted_kappa(level_AU[first], level_AU[second], weighting, VOTES)
        assert found == pytest.approx(expected, abs=1e-9)


def test_dawid_skene_is_crowd_kits(voted: Ratings) -> None:
    fitted = dawid_skene(voted, smoothing=0.0, tolerance=-np.inf, max_steps=150)
    assert fitted is not None
    right = [[fitted.confusion_AVV[rater, vote, vote] for vote in range(3)] for rater in range(3)]
    expected = [
        [0.9696040912646626, 0.8692108408097984, 0.9735015200068969],
        [0.9577907051839175, 0.949009278087903, 0.9580109998465273],
        [0.9489457694110264, 0.949583379529734, 0.9823328824908621],
    ]
    np.testing.assert_allclose(right, expected, atol=1e-9)
    prior = [0.4199525959015505, 0.10807556941386237, 0.4719718346845871]
    np.testing.assert_allclose(fitted.prior_V, prior, atol=1e-9)
    np.testing.assert_allclose(np.square(fitted.posterior_UV).sum(), 805.7364862660668, atol=1e-9)
