"""What the stages tell the averaging program, and whom they name as the average's parents."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from accounts.errors import Invalid
from alignment.models import Program, Round, Snapshot, Stage
from alignment.programs import AverageConfig
from alignment.recipe import parse_recipe, tiny
from alignment.stages import averaging, reward_model
from registry.models import Checkpoint
from tests.alignment.factories import make_round

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folders(settings: Settings, tmp_path: Path) -> None:
    """Run folders and checkpoints of this test alone."""
    settings.ACCORD_RUNS = tmp_path / "runs"
    settings.ACCORD_CHECKPOINTS = tmp_path / "checkpoints"


def make_averaging_round(averages: Mapping[str, object], *, num_holdout: int = 5, **values: object) -> Round:
    """A round that averages so, with a snapshot and the checkpoints of SFT and DPO."""
    recipe = parse_recipe({**tiny().model_dump(mode="json"), "averaging": averages})
    round_ = make_round(recipe=recipe.model_dump(mode="json"), **values)
    Snapshot.objects.create(
        round=round_, folder="/snapshot", content_hash="0", num_train=9, num_holdout=num_holdout, num_newest=9
    )
    for name, members in ((Stage.Name.SFT, ["average"]), (Stage.Name.DPO, ["variant-1", "variant-2"])):
        make_checkpoints(round_, name, members)
    return round_


def make_checkpoints(round_: Round, stage_name: Stage.Name, members: list[str]) -> list[Checkpoint]:
    """A finished stage's registered checkpoints."""
    made = [
        Checkpoint.objects.create(
            name=f"round-{round_.pk}-{stage_name}-{member}",
            kind=Checkpoint.Kind.DPO,
            path=f"/{round_.pk}/{stage_name}/{member}",
            content_hash="0" * 64,
        )
        for member in members
    ]
    ids = {member: checkpoint.pk for member, checkpoint in zip(members, made, strict=True)}
    round_.stages.filter(name=stage_name).update(result={"checkpoints": ids}, state=Stage.State.FINISHED)
    return made


def planned(stage: Stage) -> AverageConfig:
    """What the stage wrote for its averaging program."""
    folder = Path(stage.programs.get(name="average").folder)
    return AverageConfig.model_validate_json((folder / "run.json").read_text())


def test_the_mean_is_uniform_unless_the_recipe_says_otherwise() -> None:
    stage = make_averaging_round({}).stages.get(name=Stage.Name.AVERAGING)
    averaging.start(stage)
    config = planned(stage)
    assert (config.method.name, config.weights) == ("mean", None)
    assert [path.name for path in config.checkpoints] == ["variant-1", "variant-2"]
    assert (config.initial, config.previous, config.holdout) == (None, None, None)


def test_ties_of_dpo_models_starts_from_the_sft_model() -> None:
    stage = make_averaging_round({"dpo": {"method": {"name": "ties"}, "weights": [0.3, 0.7]}}).stages.get(
        name=Stage.Name.AVERAGING
    )
    averaging.start(stage)
    config = planned(stage)
    assert config.weights == (0.3, 0.7)
    assert config.initial is not None and config.initial.parts[-2:] == ("sft", "average")


def test_a_moving_average_moves_on_from_the_newest_finished_round_of_the_same_base() -> None:
    recipe = {"dpo": {"method": {"name": "ema", "decay": 0.5}}}
    first = make_averaging_round(recipe, state=Round.State.FINISHED)
    (before,) = make_checkpoints(first, Stage.Name.AVERAGING, ["average"])
    for base, previous in ((first.base, Path(before.path)), (make_round().base, None)):
        round_ = make_averaging_round(recipe, project=first.project, number=2, base=base)
        stage = round_.stages.get(name=Stage.Name.AVERAGING)
        averaging.start(stage)
        assert planned(stage).previous == previous
        round_.delete()


def test_a_greedy_soup_gets_the_held_out_judgements_and_is_refused_without_any() -> None:
    recipe = {"reward": {"method": {"name": "greedy_soup"}}}
    stage = make_averaging_round(recipe).stages.get(name=Stage.Name.REWARD_MODEL)
    reward_model.start(stage)
    assert planned(stage).holdout == Path("/snapshot/holdout.jsonl")
    stage = make_averaging_round(recipe, num_holdout=0).stages.get(name=Stage.Name.REWARD_MODEL)
    with pytest.raises(Invalid, match=r"there are none: raise snapshot\.holdout_fraction"):
        reward_model.start(stage)


def test_a_soup_of_dpo_models_is_held_to_the_sft_model() -> None:
    stage = make_averaging_round({"dpo": {"method": {"name": "greedy_soup"}}}).stages.get(
        name=Stage.Name.AVERAGING
    )
    averaging.start(stage)
    config = planned(stage)
    assert config.holdout == Path("/snapshot/holdout.jsonl")
    assert config.reference is not None and config.reference.parts[-2:] == ("sft", "average")


def test_only_members_of_the_soup_are_the_parents_of_the_average() -> None:
    stage = make_averaging_round({"reward": {"method": {"name": "greedy_soup"}}}).stages.get(
        name=Stage.Name.REWARD_MODEL
    )
    reward_model.start(stage)
    for program in stage.programs.all():
        checkpoint = Path(program.folder) / "checkpoint"
        checkpoint.mkdir()
        (checkpoint / "config.json").write_text(json.dumps({"name": program.name}))
    stage.programs.update(state=Program.State.FINISHED)
    stage.programs.filter(name="average").update(result={"kept": [1]})
    result = reward_model.finish(stage)
    average = Checkpoint.objects.get(pk=result["checkpoints"]["average"])
    parents = [(link.parent_id, link.role) for link in average.parent_links.all()]
    assert parents == [(result["checkpoints"]["variant-2"], "averaged")]
