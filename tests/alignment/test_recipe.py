"""Recipes that cannot be run are refused with a sentence."""

import json
from pathlib import Path

import pytest

from alignment.programs import TiesMethod
from alignment.recipe import RECIPES, RecipeError, load_recipe, parse_recipe, tiny


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_named_recipe_survives_a_round_trip(name: str) -> None:
    recipe = RECIPES[name]()
    assert parse_recipe(json.loads(recipe.model_dump_json())) == recipe


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_named_recipe_follows_the_paper(name: str) -> None:
    recipe = RECIPES[name]()
    assert 10 <= recipe.rejection.num_candidates <= 30
    assert all(variant.beta == 0.1 and variant.mask_format_tokens for variant in recipe.dpo)
    assert any(variant.nll_coefficient == 0.2 for variant in recipe.dpo)
    assert [strength.value for strength in recipe.snapshot.strengths] == ["significantly_better", "better"]


def test_one_candidate_is_refused() -> None:
    data = tiny().model_dump(mode="json")
    data["rejection"]["num_candidates"] = 1
    with pytest.raises(
        RecipeError, match=r"rejection\.num_candidates cannot be 1: .*greater than or equal to 10"
    ):
        parse_recipe(data)


def test_a_negative_beta_is_refused() -> None:
    data = tiny().model_dump(mode="json")
    data["dpo"][0]["beta"] = -0.1
    with pytest.raises(RecipeError, match=r"dpo\.0\.beta cannot be -0\.1"):
        parse_recipe(data)


def test_rows_longer_than_a_forward_pass_are_refused() -> None:
    data = {**tiny().model_dump(mode="json"), "max_row_tokens": 512, "max_tokens_per_microbatch": 256}
    with pytest.raises(RecipeError, match="max_row_tokens cannot be 512, above max_tokens_per_micro"):
        parse_recipe(data)


def test_more_processes_than_examples_in_a_batch_are_refused() -> None:
    data = {**tiny().model_dump(mode="json"), "num_processes": 65}
    with pytest.raises(RecipeError, match=r"num_processes cannot be 65: a batch of reward\[0\] has 64"):
        parse_recipe(data)


def test_a_single_variant_is_refused() -> None:
    data = tiny().model_dump(mode="json")
    data["sft"] = data["sft"][:1]
    with pytest.raises(RecipeError, match="sft"):
        parse_recipe(data)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(RecipeError, match="temprature"):
        parse_recipe({**tiny().model_dump(mode="json"), "temprature": 1})


def test_a_name_that_is_no_recipe_and_no_file_is_refused() -> None:
    with pytest.raises(RecipeError, match="use tiny, small"):
        load_recipe("huge")


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.json"
    path.write_text("learning_rate: 1")
    with pytest.raises(RecipeError, match=r"recipe\.json is not a JSON file"):
        load_recipe(str(path))


@pytest.mark.parametrize(
    ("averaging", "sentence"),
    [
        ({"reward": {"weights": [0.5, 0.6]}}, "reward.weights cannot be .0.5, 0.6.: give 2, one for each"),
        ({"dpo": {"weights": [1.0]}}, "dpo.weights cannot be .1.0.: give 2, one for each variant"),
        (
            {"reward": {"method": {"name": "greedy_soup"}, "weights": [0.5, 0.5]}},
            "reward is a greedy soup, which is uniform: leave out its weights",
        ),
        ({"dpo": {"method": {"name": "ties", "density": 2}}}, "dpo.method.ties.density cannot be 2"),
        ({"dpo": {"method": {"name": "median"}}}, "dpo.method cannot be .*'mean', 'slerp', 'ties'"),
    ],
)
def test_an_average_that_cannot_be_made_is_refused(averaging: dict[str, object], sentence: str) -> None:
    with pytest.raises(RecipeError, match=rf"The recipe's averaging\.{sentence}"):
        parse_recipe({**tiny().model_dump(mode="json"), "averaging": averaging})


def test_a_recipe_chooses_how_each_stage_averages() -> None:
    averaging = {
        "reward": {"method": {"name": "greedy_soup"}},
        "sft": {"method": {"name": "ties", "density": 0.5}, "weights": [0.25, 0.75]},
        "dpo": {"method": {"name": "ema", "decay": 0.9}},
    }
    recipe = parse_recipe({**tiny().model_dump(mode="json"), "averaging": averaging})
    assert recipe.averaging.sft.method == TiesMethod(name="ties", density=0.5)
    assert parse_recipe(json.loads(recipe.model_dump_json())) == recipe


@pytest.mark.parametrize(
    ("quality", "sentence"),
    [
        ({"judge": {}}, "judge cannot be found: give the url and the model"),
        ({"judge": {"url": "https://judge.example/v1"}}, "judge cannot be found"),
        (
            {"judge": {"deployment": "a", "url": "https://b/v1", "model": "b"}},
            "judge cannot be found",
        ),
        ({"judge": {"url": "ftp://b", "model": "b"}}, "quality.judge.url cannot be 'ftp://b'"),
        ({"phrases": [{"name": "x", "pattern": "(", "max_share": 0}]}, r"pattern '\(', which is no regular"),
        ({"dedup": {"max_cosine": 2}}, "quality.dedup.max_cosine cannot be 2"),
    ],
)
def test_quality_control_that_cannot_be_done_is_refused(quality: dict[str, object], sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        parse_recipe({**tiny().model_dump(mode="json"), "quality": quality})


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [
        ({"decided_by": "judge"}, "gate.decided_by cannot be judge without one"),
        (
            {"judge": {"url": "https://judge.example/v1", "model": "wise-1"}},
            "gate.judge would not be listened to",
        ),
    ],
)
def test_a_gate_whose_judge_is_missing_or_ignored_is_refused(gate: dict[str, object], sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        parse_recipe({**tiny().model_dump(mode="json"), "gate": gate})
