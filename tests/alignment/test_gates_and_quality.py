"""The gate's sentences, and what quality control drops, on plain data."""

from alignment.gates import gate_problems
from alignment.quality import examples_from_candidates, examples_from_edits
from alignment.recipe import GateRecipe
from alignment.records import Candidate, CandidateSet, PromptRecord
from annotation.records import Message
from tests.alignment.test_selection import record


def evaluation(*, accuracy_low: float = 0.6, win_low: float = 0.55) -> dict[str, object]:
    """An evaluation's result with the figures that the gate reads."""
    return {
        "reward_model": {"accuracy": accuracy_low + 0.05, "low": accuracy_low},
        "win_rate": {"base": {"value": win_low + 0.05, "low": win_low}},
    }


def test_the_gate_is_open_when_both_lower_ends_are_above_a_half() -> None:
    assert gate_problems(evaluation(), GateRecipe()) == []


def test_each_problem_of_the_gate_has_its_figure_and_what_to_do() -> None:
    problems = gate_problems(evaluation(accuracy_low=0.48, win_low=0.5), GateRecipe())
    assert len(problems) == 2
    assert "0.480" in problems[0] and "collect more judgements" in problems[0]
    assert "0.500" in problems[1] and "did not help" in problems[1]


def test_a_reward_model_that_was_not_measured_closes_the_gate() -> None:
    problems = gate_problems({**evaluation(), "reward_model": None}, GateRecipe())
    assert problems == ["The reward model was not measured: there are no held-out judgements."]


def candidates(*answers: str, best: int = 0, finish: str = "stop", prompt: str = "p") -> CandidateSet:
    """One prompt's candidates."""
    return CandidateSet(
        prompt=PromptRecord(
            id=prompt, domain="d", language="en", context=(Message(role="user", content=prompt),)
        ),
        candidates=tuple(
            Candidate.model_validate({"content": answer, "num_tokens": 1, "finish": finish, "reward": 0.0})
            for answer in answers
        ),
        best=best,
    )


def test_the_best_candidate_becomes_the_example() -> None:
    examples, dropped = examples_from_candidates([candidates("bad", "good", best=1)])
    assert [example.response for example in examples] == ["good"]
    assert not dropped


def test_empty_cut_off_and_duplicate_answers_are_dropped_and_counted() -> None:
    sets = [candidates(" "), candidates("long", finish="length"), candidates("same"), candidates("same")]
    examples, dropped = examples_from_candidates(sets)
    assert len(examples) == 1
    assert dropped == {"empty": 1, "cut off at the length limit": 1, "duplicate": 1}


def test_only_edited_answers_become_examples_from_people() -> None:
    examples = examples_from_edits([record("edited", "chosen", "rejected"), record("chosen", "rejected")])
    assert [example.response for example in examples] == ["edited"]
