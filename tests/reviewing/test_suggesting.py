"""Strata, weights, shares and thresholds by hand-worked numbers and on corpora whose truth is known."""

from typing import Any

import numpy as np
import pytest

from pretrain.curation.documents import Document, Verdict
from reviewing.cuts import roundest
from reviewing.moving import cross_validated, moved_together
from reviewing.sampling import draw
from reviewing.strata import KEPT, allocation
from reviewing.suggesting import draws, suggest, suggest_each
from reviewing.texts import displayed, storable_text
from reviewing.thresholds import Threshold, with_bounds
from reviewing.verdicts import (
    JudgedDocument,
    Sample,
    filter_figures,
    funnel,
    outcome,
    reaching,
    sample_of,
    weighted_share,
)

WORDS = Threshold(filter="num_words", side="low", bound=50, path=("heuristics", "bounds", "num_words", "low"))
WORDS_HIGH = Threshold(
    filter="num_words", side="high", bound=1000, path=("heuristics", "bounds", "num_words", "high")
)
DIRTY = Threshold(filter="dirty_words", side="high", bound=0.01, path=("dirty_words", "max_share"))


def document(number: int, *, words: float, dirty: float = 0.0) -> Document:
    verdicts = {
        "num_words": Verdict(kept=50 <= words <= 1000, value=words),
        "dirty_words": Verdict(kept=dirty <= 0.01, value=dirty),
    }
    return Document(text=f"{number}", source="a", offset=number, verdicts=verdicts)


def judged(number: int, words: float, bad: bool, stratum: str = "all", **more: float) -> JudgedDocument:
    dropped = ("num_words",) if words < 50 else ()
    return JudgedDocument(
        pk=number,
        stratum=stratum,
        is_bad=bad,
        values={"num_words": words, **more},
        dropped_by=dropped + (("dirty_words",) if more.get("dirty_words", 0) > 0.01 else ()),
    )


def sample_by(rule_bound: float, num: int = 200, wrong: float = 0.0, seed: int = 0) -> Sample:
    """People drop documents of fewer words than `rule_bound`, with some noise."""
    draw_ = np.random.default_rng(seed)
    documents = []
    for number in range(num):
        words = float(draw_.integers(5, 150))
        bad = bool(words < rule_bound) ^ bool(draw_.random() < wrong)
        documents.append(judged(number, words, bad))
    return sample_of(documents, {"all": 10 * num}, [WORDS])


def test_every_document_is_in_one_stratum_and_the_sample_depends_on_the_seed_alone() -> None:
    documents = [document(n, words=n % 120, dirty=0.02 if n % 7 == 0 else 0.0) for n in range(2000)]
    drawn = draw(lambda: documents, [WORDS, DIRTY], size=100, seed=1)
    assert sum(drawn.populations.values()) == 2000
    assert len(drawn.documents) == 100
    again = draw(lambda: documents[::-1], [WORDS, DIRTY], size=100, seed=1)
    assert again.populations == drawn.populations
    assert [each.key for _, each in again.documents] == [each.key for _, each in drawn.documents]
    other = draw(lambda: documents, [WORDS, DIRTY], size=100, seed=2)
    assert {each.key for _, each in other.documents} != {each.key for _, each in drawn.documents}
    names = {name for name, _ in drawn.documents}
    assert {KEPT, "dropped by num_words, near low", "dropped by num_words, far low"} <= names
    assert "kept, near num_words low" in names
    # 59 of 120 are dropped by their words alone, and those near the bound are just below it.
    near = [each for name, each in drawn.documents if name == "dropped by num_words, near low"]
    assert min(each.verdicts["num_words"].value or 0 for each in near) >= 20


def test_estimates_from_strata_come_out_at_the_truth_of_the_corpus() -> None:
    documents = [document(n, words=n % 120) for n in range(6000)]
    truth = np.mean([each.verdicts["num_words"].value < 30 for each in documents])  # type: ignore[operator]
    shares = []
    for seed in range(20):
        drawn = draw(lambda: documents, [WORDS], size=120, seed=seed)
        rows = [
            judged(
                n, each.verdicts["num_words"].value or 0.0, (each.verdicts["num_words"].value or 0) < 30, name
            )
            for n, (name, each) in enumerate(drawn.documents)
        ]
        sample = sample_of(rows, drawn.populations, [WORDS])
        share = weighted_share(sample.bad_D, sample.weight_D)
        assert share is not None and share.low <= share.value <= share.high
        shares.append(share.value)
    assert abs(np.mean(shares) - truth) < 0.015


def test_documents_are_dealt_out_by_kind_and_small_strata_give_all() -> None:
    populations = {KEPT: 10_000, "kept, near a low": 500, "dropped by a": 3, "dropped by b": 1000}
    drawn = allocation(populations, 120)
    assert drawn["dropped by a"] == 3
    assert sum(drawn.values()) == 120
    assert drawn["dropped by b"] > drawn["kept, near a low"] > drawn[KEPT] > 15
    assert allocation({"dropped by a": 100, "dropped by b": 10_000}, 110) == {
        "dropped by a": 10,
        "dropped by b": 100,
    }
    assert allocation({KEPT: 4}, 10) == {KEPT: 4}


def test_weights_are_what_a_document_stands_for() -> None:
    rows = [judged(1, 80, False, "a"), judged(2, 90, True, "a"), judged(3, 10, True, "b")]
    sample = sample_of(rows, {"a": 100, "b": 30, "c": 5}, [WORDS])
    assert sample.weight_D.tolist() == [50, 50, 30]
    assert (sample.num_documents, sample.num_covered) == (135, 130)
    figures = filter_figures(sample)
    assert [(each.name, each.num_dropped) for each in figures] == [("num_words", 30)]
    found = outcome(sample, sample.bound_K, 1.0)
    assert found.num_kept == 100
    assert found.bad_among_kept is not None and found.bad_among_kept.value == 0.5
    assert found.cost == pytest.approx(50 / 130)
    rows_ = funnel(sample, np.array([85.0]))
    assert [(row.name, row.now, row.then) for row in rows_] == [("num_words", 100, 50)]
    # Of the two that reach a classifier each stands for as many.
    assert reaching(sample, sample.bound_K).tolist() == [1.5, 1.5, 0]
    assert reaching(sample, sample.bound_K, "num_words").mean() == pytest.approx(1)


@pytest.mark.parametrize("rule_bound", [30, 90])
def test_a_threshold_moves_to_where_people_draw_the_line(rule_bound: int) -> None:
    sample = sample_by(rule_bound)
    found = suggest(sample, 0, sample.bound_K, draws(sample, 0), 1.0)
    assert found is not None and found.is_sure
    assert abs(found.bound - rule_bound) <= 3
    assert found.low - 3 <= rule_bound <= found.high + 3
    # Each of the 200 stands for ten; about those between the two bounds are won.
    between = int(
        ((sample.value_DK[:, 0] >= min(50, rule_bound)) & (sample.value_DK[:, 0] < max(50, rule_bound))).sum()
    )
    assert found.gain == pytest.approx(10 * between)


def test_a_threshold_that_is_right_stays() -> None:
    sample = sample_by(50, wrong=0.1)
    assert moved_together(sample, good_cost=1.0, seed=0) == {}
    before, after = cross_validated(sample, good_cost=1.0, seed=0)
    assert after.cost == before.cost


def test_verdicts_without_sense_move_thresholds_no_more_often_than_the_test_says() -> None:
    samples = [sample_by(0, 60, wrong=0.5, seed=seed) for seed in range(40)]
    moved = [bool(moved_together(sample, good_cost=1.0, seed=0)) for sample in samples]
    assert sum(moved) <= 5  # 2 are expected at 5%


def test_a_dear_good_document_makes_thresholds_milder() -> None:
    draw_ = np.random.default_rng(3)
    rows = []
    for number in range(400):
        words = float(draw_.integers(5, 150))
        rows.append(judged(number, words, bool(draw_.random() < 1 / (1 + np.exp((words - 60) / 12)))))
    sample = sample_of(rows, {"all": 400}, [WORDS])
    bounds = [
        suggest_each(sample, good_cost=cost, seed=0)["num_words:low"].bound for cost in (0.25, 1.0, 4.0)
    ]
    assert bounds[0] > bounds[1] > bounds[2]


def test_a_threshold_decides_only_over_what_nothing_else_drops() -> None:
    rows = [judged(n, 20 + n % 60, True, dirty_words=0.5) for n in range(100)]
    sample = sample_of(rows, {"all": 100}, [WORDS, DIRTY])
    assert "num_words:low" not in suggest_each(sample, good_cost=1.0, seed=0)
    other = sample_of(
        [JudgedDocument(pk=1, stratum="all", is_bad=True, values={}, dropped_by=("unsafe_domain",))],
        {"all": 1},
        [WORDS],
    )
    assert other.other_D.tolist() == [True]


def test_filters_that_drop_the_same_documents_move_together() -> None:
    rows = []
    for number in range(300):
        few = number % 3 == 0
        # Short documents have few dirty words' share too high as well: alone neither threshold saves one.
        words, dirty = (30.0 + number % 20, 0.02) if few else (80.0 + number % 40, 0.0)
        bad = number % 10 == 0 if few else number % 25 == 0
        rows.append(judged(number, words, bad, dirty_words=dirty))
    sample = sample_of(rows, {"all": 3000}, [WORDS, DIRTY])
    assert not any(each.moves for each in suggest_each(sample, good_cost=1.0, seed=0).values())
    moved = moved_together(sample, good_cost=1.0, seed=0)
    assert moved["num_words:low"].bound <= 31 and moved["dirty_words:high"].bound >= 0.02
    before, after = cross_validated(sample, good_cost=1.0, seed=0)
    assert after.cost < before.cost / 3


def test_cross_validation_is_honest_about_a_gain() -> None:
    sample = sample_by(90, 300, wrong=0.05)
    before, after = cross_validated(sample, good_cost=1.0, seed=0)
    assert before.error is not None and after.error is not None
    assert before.error.value > 0.25
    assert 0.03 < after.error.value < 0.1


def test_bounds_are_round_and_keep_what_they_should() -> None:
    assert roundest(37.2, 41.9) == 40
    assert roundest(0.1234, 0.1239) == 0.1234
    assert roundest(0.12337, 0.1239) == 0.1234
    assert roundest(-87.6, -86) == -87
    assert roundest(312.7, float("inf")) == 320
    assert roundest(0.0, 0.2) == 0.0


def test_moved_bounds_stand_in_the_recipe_with_a_rules_other_side() -> None:
    recipe: dict[str, Any] = {
        "heuristics": {"bounds": {}, "without": []},
        "dirty_words": {"max_share": 0.01, "lists": {}},
    }
    changed = with_bounds(recipe, [WORDS, WORDS_HIGH, DIRTY], {"num_words:low": 30})
    assert changed["heuristics"]["bounds"] == {"num_words": {"low": 30, "high": 1000}}
    assert changed["dirty_words"]["max_share"] == 0.01
    assert recipe["heuristics"]["bounds"] == {}
    assert with_bounds(recipe, [WORDS, DIRTY], {"dirty_words:high": 0.2})["dirty_words"]["max_share"] == 0.2


def test_hostile_characters_are_seen_and_what_cannot_be_stored_is_replaced() -> None:
    assert displayed("a\x1b[31m\u202eb\r\nc\0") == "a␛[31m⟦U+202E⟧b\nc␀"
    assert storable_text("a\0b\ud800") == "a\ufffdb?"
    assert len(storable_text("x" * 300_000)) == 200_000


def test_nothing_judged_and_no_thresholds_give_empty_figures() -> None:
    for documents, thresholds in (([], [WORDS]), ([judged(1, 80, True)], []), ([], [])):
        sample = sample_of(documents, {"all": 10}, thresholds)
        assert moved_together(sample, good_cost=1.0, seed=0) == {}
        before, after = cross_validated(sample, good_cost=1.0, seed=0)
        assert before == after
        assert funnel(sample, sample.bound_K) == [] and suggest_each(sample, good_cost=1.0, seed=0) == {}
        assert len(reaching(sample, sample.bound_K)) == len(documents)
