"""The SFT stage: quality control first, then the variants on what it kept, then their average."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from alignment.models import Program, Snapshot, Stage
from alignment.programs import QualityConfig, SftConfig
from alignment.stages import sft
from registry.models import Checkpoint
from tests.alignment.factories import make_round

pytestmark = pytest.mark.django_db


@pytest.fixture
def stage(settings: Settings, tmp_path: Path) -> Stage:
    """An SFT stage after rejection sampling."""
    settings.ACCORD_RUNS = tmp_path / "runs"
    settings.ACCORD_CHECKPOINTS = tmp_path / "checkpoints"
    round_ = make_round()
    Snapshot.objects.create(
        round=round_, folder="/snapshot", content_hash="0", num_train=9, num_holdout=1, num_newest=9
    )
    reward_model = Checkpoint.objects.create(
        name="reward", kind=Checkpoint.Kind.REWARD_MODEL, path="/reward", content_hash="0" * 64
    )
    round_.stages.filter(name=Stage.Name.REWARD_MODEL).update(
        result={"checkpoints": {"average": reward_model.pk}}
    )
    sampling = round_.stages.get(name=Stage.Name.REJECTION_SAMPLING)
    Program.objects.create(
        stage=sampling, name="sampling", module="m", queue="sampling", folder="/sampled/sampling", group=0
    )
    return round_.stages.get(name=Stage.Name.SFT)


def config_of(program: Program) -> str:
    """The program's run.json."""
    return (Path(program.folder) / "run.json").read_text()


def test_variants_train_on_what_quality_control_keeps(stage: Stage) -> None:
    sft.start(stage)
    quality, *variants, average = stage.programs.order_by("group", "name")
    assert [quality.group, *(variant.group for variant in variants), average.group] == [0, 1, 1, 2]
    told = QualityConfig.model_validate_json(config_of(quality))
    assert told.candidates == Path("/sampled/candidates.jsonl")
    assert told.preferences == Path("/snapshot/train.jsonl")
    assert told.evaluation_prompts == Path("/snapshot/holdout-prompts.jsonl")
    assert told.embedder is None
    assert {SftConfig.model_validate_json(config_of(each)).train for each in variants} == {told.out}


def test_the_examples_are_counted_by_source_in_the_stages_result(stage: Stage) -> None:
    sft.start(stage)
    stage.programs.filter(name="quality").update(result={"sources": {"edited": 3}})
    for program in stage.programs.exclude(name="quality"):
        checkpoint = Path(program.folder) / "checkpoint"
        checkpoint.mkdir()
        (checkpoint / "config.json").write_text(program.name)
    assert sft.finish(stage)["examples"] == {"edited": 3}
