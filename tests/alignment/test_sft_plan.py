"""The SFT stage: quality control first, then the variants on what it kept, then their average."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from accounts.errors import Invalid
from alignment.models import Program, Snapshot, Stage
from alignment.programs import QualityConfig, SftConfig
from alignment.quality.recipe import JudgeRecipe
from alignment.stages import sft
from alignment.stages.judge import judge_config
from pretrain.run import RunFolder, program_command
from registry.models import Checkpoint, Deployment
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


def test_the_variants_train_in_as_many_processes_as_the_recipe_says(stage: Stage) -> None:
    stage.round.recipe["num_processes"] = 3
    stage.round.save()
    sft.start(stage)
    commands = [
        program_command(program.module, RunFolder(Path(program.folder)))
        for program in stage.programs.order_by("group", "name")
    ]
    launched = ["torch.distributed.run" in command for command in commands]
    assert launched == [False, True, True, False]
    assert commands[1][commands[1].index("--nproc-per-node") + 1] == "3"
    assert commands[1][-3:-1] == ["-m", "alignment.training.sft"]


def make_deployment(state: Deployment.State) -> Deployment:
    """A deployment that may judge."""
    checkpoint = Checkpoint.objects.create(
        name="judge", kind=Checkpoint.Kind.AVERAGE, path="/judge", content_hash="0" * 64
    )
    return Deployment.objects.create(
        name="judge",
        checkpoint=checkpoint,
        served_name="judge-1",
        base_url="http://127.0.0.1:8001",
        state=state,
    )


def test_an_endpoint_judges_with_the_key_that_the_settings_name(settings: Settings) -> None:
    settings.ACCORD_JUDGE_KEY_FILE = Path("/run/secrets/judge")
    config = judge_config(
        JudgeRecipe(url="https://judge.example/v1", model="large", num_at_once=3), named_in="quality.judge"
    )
    assert config is not None
    assert (config.url, config.model, config.num_at_once) == ("https://judge.example/v1", "large", 3)
    assert config.key_file == Path("/run/secrets/judge")


def test_a_deployed_model_judges_without_the_endpoints_key(settings: Settings) -> None:
    settings.ACCORD_JUDGE_KEY_FILE = Path("/run/secrets/judge")
    make_deployment(Deployment.State.LIVE)
    config = judge_config(JudgeRecipe(deployment="judge"), named_in="quality.judge")
    assert config is not None
    assert (config.url, config.model, config.key_file) == ("http://127.0.0.1:8001/v1", "judge-1", None)


def test_a_judge_that_is_not_live_is_refused_with_what_to_do() -> None:
    make_deployment(Deployment.State.RETIRED)
    with pytest.raises(Invalid, match=r"no live deployment 'judge' to judge: deploy it, name another"):
        judge_config(JudgeRecipe(deployment="judge"), named_in="quality.judge")


def test_the_examples_are_counted_by_source_in_the_stages_result(stage: Stage) -> None:
    sft.start(stage)
    stage.programs.filter(name="quality").update(result={"sources": {"edited": 3}})
    for program in stage.programs.exclude(name="quality"):
        checkpoint = Path(program.folder) / "checkpoint"
        checkpoint.mkdir()
        (checkpoint / "config.json").write_text(program.name)
    assert sft.finish(stage)["examples"] == {"edited": 3}
