"""How much a round computes, by hand-worked numbers; the numbers of a recipe that people change."""

import json
from pathlib import Path

from alignment.forecast.weights import num_parameters
from alignment.forecast.work import Sizes, disk, left_over, round_work
from alignment.numbers import numbers_of, with_numbers
from alignment.recipe import parse_recipe, tiny

MILLION = 1_000_000
SIZES = Sizes(
    parameters=MILLION,
    num_judgements=2000,
    num_train=1000,
    num_newest={1: 400},
    num_train_prompts=500,
    num_holdout_prompts=50,
    num_edits=100,
    tokens_per_row={"reward_model": 60.0, "sft": 40.0, "dpo": 60.0},
    tokens_per_answer=20.0,
    kept_share=0.5,
    num_policies=2,
)


def test_the_work_of_each_stage() -> None:
    amounts = {work.stage: work.amount for work in round_work(tiny(), SIZES)}
    giga = MILLION / 1e9
    assert amounts == {
        "snapshot": 2.0,
        "reward_model": 2 * 1000 * 2 * 60 * giga,  # two variants, two epochs
        "rejection_sampling": 500 * 10 * 20 * giga,  # of 1,000 prompts asked for, 500 are there
        "sft": 2 * (250 + 100) * 40 * giga,
        "dpo": 2 * 400 * 2 * 60 * giga,
        "averaging": 2 * giga,
        "evaluation": 50 * 2 * 2 * 20 * giga,
        "deploy": 1.0,
    }


def test_the_disk_keeps_every_checkpoint_and_has_room_to_resume() -> None:
    work = round_work(tiny(), SIZES)
    kept, peak = disk(work)
    models = 3 + 3 + 2 + 1
    texts = 2 * 2000 * 60 * 6 + 500 * 10 * 20 * 6 + 50 * 2 * 2 * 20 * 6
    assert kept == models * 4 * MILLION + texts
    resuming = 2 * 2 * 12 * MILLION
    assert peak == 8 * 4 * MILLION + 2 * 2000 * 60 * 6 + 500 * 10 * 20 * 6 + resuming
    rest = [left_over(stage, 1.0 if stage.stage == "reward_model" else 0.0) for stage in work]
    assert disk(rest)[0] == kept - 3 * 4 * MILLION


def test_parameters_are_counted_from_the_header_of_the_weights(tmp_path: Path) -> None:
    assert num_parameters(tmp_path) is None
    write_weights(tmp_path, {"a": [3, 4], "b": [5]})
    assert num_parameters(tmp_path) == 17


def write_weights(folder: Path, shapes: dict[str, list[int]]) -> None:
    """A file of weights without weights."""
    tensors = {
        name: {"dtype": "F32", "shape": shape, "data_offsets": [0, 0]} for name, shape in shapes.items()
    }
    header = json.dumps({"__metadata__": {"format": "pt"}, **tensors}).encode()
    (folder / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)


def test_a_changed_number_counts_for_all_variants_and_all_else_stays() -> None:
    recipe = tiny().model_dump(mode="json")
    changed = with_numbers(recipe, {"num_candidates": 16, "dpo_learning_rate": 1e-5})
    assert numbers_of(changed)["num_candidates"] == "16"
    assert {each["optimizer"]["learning_rate"] for each in changed["dpo"]} == {1e-5}
    assert [each["nll_coefficient"] for each in changed["dpo"]] == [0.2, 0.1]
    assert recipe == tiny().model_dump(mode="json")
    assert parse_recipe(changed).rejection.num_candidates == 16
    assert numbers_of({"name": "short"}) == {}
