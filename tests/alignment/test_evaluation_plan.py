"""What the evaluation stage tells its programs, and what it keeps of their results."""

import json
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from alignment.models import Program, Snapshot, Stage
from alignment.programs import EvaluationConfig, OutsideJudgeConfig
from alignment.recipe import parse_recipe, tiny
from alignment.stages import evaluation
from alignment.stages.plan import stage_folder
from annotation.records import write_records
from registry.models import Checkpoint
from tests.alignment.factories import make_round
from tests.alignment.sampling.factories import make_prompts

pytestmark = pytest.mark.django_db

JUDGE = {"url": "https://judge.example/v1", "model": "wise-1"}


def make_stage(folder: Path, gate: dict[str, object]) -> Stage:
    """The evaluation stage of a round with all of its models."""
    recipe = parse_recipe({**tiny().model_dump(mode="json"), "gate": gate})
    round_ = make_round(recipe=recipe.model_dump(mode="json"))
    for name in ("holdout-prompts.jsonl", "holdout.jsonl"):
        write_records(folder / name, make_prompts(3) if "prompts" in name else [])
    Snapshot.objects.create(
        round=round_, folder=str(folder), content_hash="0", num_train=9, num_holdout=0, num_newest=9
    )
    for name in (Stage.Name.REWARD_MODEL, Stage.Name.SFT, Stage.Name.AVERAGING):
        made = Checkpoint.objects.create(
            name=f"{name}", kind=Checkpoint.Kind.AVERAGE, path=f"/{name}", content_hash="0" * 64
        )
        round_.stages.filter(name=name).update(result={"checkpoints": {"average": made.pk}})
    return round_.stages.get(name=Stage.Name.EVALUATION)


def config_text(program: Program) -> str:
    """The program's run.json."""
    return (Path(program.folder) / "run.json").read_text()


@pytest.fixture(autouse=True)
def folders(settings: Settings, tmp_path: Path) -> None:
    """Run folders of this test alone."""
    settings.ACCORD_RUNS = tmp_path / "runs"


def test_the_policy_is_measured_against_its_sft_model_and_the_base(tmp_path: Path) -> None:
    stage = make_stage(tmp_path, {})
    evaluation.start(stage)
    program = stage.programs.get()
    config = EvaluationConfig.model_validate_json(config_text(program))
    assert config.policies == {"candidate": Path("/averaging"), "base": Path("/nowhere")}
    assert config.references == {"SFT model": Path("/sft"), "base": Path("/nowhere")}
    Program.objects.filter(pk=program.pk).update(result={"win_rate": {}})
    assert evaluation.finish(stage)["outside"] == []


def test_a_judge_comes_after_the_answers_and_remembers_over_retries(tmp_path: Path) -> None:
    stage = make_stage(tmp_path, {"decided_by": "judge", "judge": JUDGE, "num_prompts": 2})
    evaluation.start(stage)
    answers, judge = stage.programs.order_by("group")
    assert (answers.group, judge.group) == (0, 1)
    config = OutsideJudgeConfig.model_validate_json(config_text(judge))
    told = json.loads(config_text(answers))
    assert (str(config.answers), str(config.prompts)) == (told["answers"], told["prompts"])
    assert config.num_prompts == 2
    assert config.candidates is not None
    assert config.candidates.name == "candidates.jsonl"
    assert config.verdicts.parent == stage_folder(stage).parent
    Program.objects.filter(pk=judge.pk).update(result={"by": "the judge wise-1"})
    assert evaluation.finish(stage)["outside"] == [{"by": "the judge wise-1"}]
