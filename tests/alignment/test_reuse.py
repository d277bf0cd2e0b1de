"""Nothing is computed twice: a changed number reruns what depends on it and nothing else."""

from pathlib import Path

import pytest

from alignment.contents import content_hashes
from alignment.control import round_retry
from alignment.fingerprints import fingerprint, plan_of
from alignment.models import Round, Stage
from alignment.programs import DpoConfig, OptimizerConfig
from alignment.stages.plan import checkpoint_out
from tests.alignment.scaled_rounds import ScaledRounds, computed, result, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


@pytest.fixture
def rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScaledRounds:
    """Rounds that multiply numbers."""
    return ScaledRounds(tmp_path, monkeypatch)


def test_what_was_computed_once_is_not_computed_again(rounds: ScaledRounds) -> None:
    first = work(rounds.launch(), started=True)
    assert (computed(first), result(first)) == (["first", "second", "sum"], 5.0)
    again = work(rounds.launch())
    assert (computed(again), result(again)) == ([], 5.0)
    assert again.round.state == Round.State.FINISHED
    assert again.programs.get(name="sum").reused_from == first.programs.get(name="sum")
    taken = checkpoint_out(again, "sum") / "number.json"
    assert taken.samefile(checkpoint_out(first, "sum") / "number.json")


def test_a_changed_number_reruns_only_what_depends_on_it(rounds: ScaledRounds) -> None:
    work(rounds.launch())
    changed = work(rounds.launch(second=4.0))
    assert (computed(changed), result(changed)) == (["second", "sum"], 6.0)


def test_what_comes_out_the_same_all_the_same_stops_the_rerun(rounds: ScaledRounds) -> None:
    found = []
    for second in (5.0, 7.0):
        round_ = rounds.launch(second=second)
        rounds.data[round_.pk] = 0.0
        found.append(computed(work(round_)))
    assert found == [["first", "second", "sum"], ["second"]]


def test_a_damaged_output_is_computed_again(rounds: ScaledRounds) -> None:
    first = work(rounds.launch())
    (checkpoint_out(first, "second") / "number.json").write_text("99")
    (checkpoint_out(first, "sum") / "number.json").unlink()
    again = work(rounds.launch())
    assert (computed(again), result(again)) == (["second", "sum"], 5.0)


def test_a_round_that_is_to_be_fresh_takes_nothing_from_others(rounds: ScaledRounds) -> None:
    work(rounds.launch())
    assert computed(work(rounds.launch(fresh_from="sft"))) == ["first", "second", "sum"]
    assert computed(work(rounds.launch(fresh_from="evaluation"))) == []


def test_a_retried_stage_keeps_what_had_finished(rounds: ScaledRounds) -> None:
    round_ = rounds.launch()
    rounds.broken.add(round_.pk)
    assert work(round_).error == "second: The disk is full."
    round_retry(round_, None)
    stage = work(round_)
    assert (stage.state, computed(stage), result(stage)) == (Stage.State.FINISHED, ["second", "sum"], 5.0)
    first = stage.programs.get(name="first")
    assert first.reused_from == first


def dpo_plan(folder: Path, **values: object) -> dict[str, object]:
    """The plan of a DPO program whose files lie in `folder`."""
    optimizer = OptimizerConfig(learning_rate=1e-4, num_epochs=1, batch_size=8)
    paths = {"initial": folder / "sft", "train": folder / "train.jsonl", "out": folder / "out"}
    config = DpoConfig.model_validate({**paths, "optimizer": optimizer, "seed": 1, **values})
    return plan_of("alignment.training.dpo", config)


def test_a_fingerprint_stands_on_content_and_numbers_not_on_places(tmp_path: Path) -> None:
    found = set()
    for name in ("here", "there"):
        (tmp_path / name / "sft").mkdir(parents=True)
        (tmp_path / name / "sft" / "model.safetensors").write_text("weights")
        (tmp_path / name / "train.jsonl").write_text("{}")
        plan = dpo_plan(tmp_path / name, reference_cache=tmp_path / name / "cache")
        found.add(
            fingerprint(plan, content_hashes([tmp_path / name / "sft", tmp_path / name / "train.jsonl"]))
        )
    assert len(found) == 1
    hashes = content_hashes([tmp_path / "here" / "sft", tmp_path / "here" / "train.jsonl"])
    assert fingerprint(dpo_plan(tmp_path / "here", checkpoint_seconds=7), hashes) in found
    assert fingerprint(dpo_plan(tmp_path / "here", num_threads=2), hashes) not in found
    assert fingerprint(dpo_plan(tmp_path / "here", beta=0.2), hashes) not in found
    assert fingerprint(dpo_plan(tmp_path / "nowhere"), hashes) is None


def test_a_hash_is_kept_until_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text("1")
    first = content_hashes([path, tmp_path / "absent"])
    assert content_hashes([path]) == first
    path.write_text("22")
    assert content_hashes([path])[path] != first[path]
