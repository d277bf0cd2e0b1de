"""Nothing is computed twice: a changed number reruns what depends on it and nothing else."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from alignment import advancing
from alignment.advancing import round_advance
from alignment.contents import content_hashes
from alignment.fingerprints import fingerprint, plan_of
from alignment.models import Program, Round, Stage
from alignment.programs import DpoConfig, OptimizerConfig
from alignment.running import program_claim, program_run
from alignment.services import stage_retry
from alignment.stages import StageDefinition
from alignment.stages.plan import checkpoint_out, program_add
from pretrain.run import ProgramError, RunFolder, load_config
from tests.alignment import scaling
from tests.alignment.factories import make_round
from tests.alignment.scaling import ScalingConfig

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]

MODULE = "tests.alignment.scaling"
Launch = Callable[..., Stage]


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launch:
    """Launch a round of one stage: two variants of the data, then their sum; `second` scales the second."""
    told: dict[int, dict[str, object]] = {}

    def start(stage: Stage) -> None:
        wanted = told[stage.round_id]
        data = tmp_path / f"data-{stage.round_id}.json"
        data.write_text(json.dumps(wanted["data"]))
        for name, factor in (("first", 2.0), ("second", wanted["second"])):
            broken = wanted["broken"] if name == "second" and stage.attempt == 1 else False
            config = {"data": [data], "factor": factor, "broken": broken, "out": checkpoint_out(stage, name)}
            program_add(stage, name, MODULE, ScalingConfig.model_validate(config), queue="training")
        variants = [checkpoint_out(stage, name) / "number.json" for name in ("first", "second")]
        config = {"data": variants, "factor": 1.0, "out": checkpoint_out(stage, "sum")}
        program_add(stage, "sum", MODULE, ScalingConfig.model_validate(config), queue="training", group=1)

    definition = StageDefinition(name=Stage.Name.AVERAGING, start=start)
    monkeypatch.setitem(advancing.DEFINITIONS, Stage.Name.AVERAGING.value, definition)

    def launched(
        *,
        second: float = 3.0,
        data: float = 1.0,
        broken: bool = False,
        fresh_from: str = "",
        started: bool = False,
    ) -> Stage:
        round_ = make_round(fresh_from=fresh_from)
        told[round_.pk] = {"second": second, "data": data, "broken": broken}
        round_.stages.exclude(name=Stage.Name.AVERAGING).update(state=Stage.State.FINISHED)
        stage: Stage = round_.stages.get(name=Stage.Name.AVERAGING)
        work(stage, started=started)
        return stage

    return launched


def work(stage: Stage, *, started: bool) -> None:
    """Advance the round and run what it queues, as processes if `started`, until it has ended."""
    round_advance(stage.round_id)
    while queued := list(stage.programs.filter(state=Program.State.QUEUED)):
        for program in queued:
            claimed = program_claim(program.pk, program.attempt)
            assert claimed is not None
            if not started:
                compute(claimed)
            program_run(claimed)
        round_advance(stage.round_id)
    stage.refresh_from_db()


def compute(program: Program) -> None:
    """What the program's process would do, without the second that starting it takes."""
    folder = RunFolder(Path(program.folder))
    with suppress(ProgramError):
        scaling.run(load_config(folder.config_path, scaling.ScalingConfig), folder)


def computed(stage: Stage) -> list[str]:
    """Which programs of the stage were not taken over."""
    return sorted(stage.programs.filter(reused_from=None).values_list("name", flat=True))


def result(stage: Stage) -> float:
    """What the stage found."""
    return float(stage.programs.get(name="sum").result["number"])


def test_what_was_computed_once_is_not_computed_again(launch: Launch) -> None:
    first = launch(started=True)
    assert (computed(first), result(first)) == (["first", "second", "sum"], 5.0)
    again = launch()
    assert (computed(again), result(again)) == ([], 5.0)
    assert Round.objects.get(pk=again.round_id).state == Round.State.FINISHED
    assert again.programs.get(name="sum").reused_from == first.programs.get(name="sum")
    taken = checkpoint_out(again, "sum") / "number.json"
    assert taken.samefile(checkpoint_out(first, "sum") / "number.json")


def test_a_changed_number_reruns_only_what_depends_on_it(launch: Launch) -> None:
    launch()
    changed = launch(second=4.0)
    assert (computed(changed), result(changed)) == (["second", "sum"], 6.0)


def test_what_comes_out_the_same_all_the_same_stops_the_rerun(launch: Launch) -> None:
    launch(second=0.0, data=0.0)
    changed = launch(second=7.0, data=0.0)
    assert (computed(changed), result(changed)) == (["second"], 0.0)


def test_a_damaged_output_is_computed_again(launch: Launch) -> None:
    first = launch()
    (checkpoint_out(first, "second") / "number.json").write_text("99")
    (checkpoint_out(first, "sum") / "number.json").unlink()
    again = launch()
    assert (computed(again), result(again)) == (["second", "sum"], 5.0)


def test_a_round_that_is_to_be_fresh_takes_nothing_from_others(launch: Launch) -> None:
    launch()
    assert computed(launch(fresh_from="sft")) == ["first", "second", "sum"]
    assert computed(launch(fresh_from="evaluation")) == []


def test_a_retried_stage_keeps_what_had_finished(launch: Launch) -> None:
    stage = launch(broken=True)
    assert stage.error == "second: The disk is full."
    stage_retry(stage, None)
    work(stage, started=False)
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
