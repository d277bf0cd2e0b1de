"""A mesh that does not fit is refused with the number that does not, and what may be done."""

from typing import Any

import pytest
from pydantic import ValidationError

from pretrain.parallel.context import own_tokens
from pretrain.parallel.plan import ParallelPlan, check_plan, layers_of_stages
from pretrain.recipe import ModelRecipe
from pretrain.run import ProgramError

MODEL = ModelRecipe(num_layers=6, hidden_size=96, head_size=8, num_kv_heads=4)


def test_a_mesh_that_fits_passes() -> None:
    plan = ParallelPlan(tensor=2, context=2, pipeline=2, data=2)
    check_plan(plan, MODEL, 64, [(8, 32), (4, 64)])
    assert plan.num_processes == 16
    assert plan.describe() == "TP 2, CP 2, PP 2, DP 2"


@pytest.mark.parametrize(
    ("changes", "vocabulary", "batch", "sentence"),
    [
        (
            {"tensor": 5},
            65,
            (8, 40),
            "12 attention heads cannot be shared evenly among 5 processes of tensor",
        ),
        ({"tensor": 6}, 66, (8, 48), "4 key-value heads"),
        ({"tensor": 2}, 65, (8, 32), "65 tokens of the vocabulary"),
        ({"context": 3}, 64, (8, 32), "32 tokens of a row cannot be shared evenly among 6 chunks"),
        ({"context": 2, "tensor": 4}, 64, (8, 36), "18 tokens of a row in each process"),
        ({"pipeline": 5}, 64, (8, 32), "6 layers cannot be shared among 5 pipeline stages"),
        ({"pipeline": 2, "data": 8}, 64, (8, 32), "has 1 microbatches in each pipeline, fewer than its 2"),
        ({"data": 3}, 64, (8, 32), "8 rows of a batch"),
        ({"pipeline": 3, "stages_per_process": 2}, 64, (8, 32), "8 microbatches"),
    ],
)
def test_a_mesh_that_does_not_divide_is_refused(
    changes: dict[str, Any],  # Any: the plan's own fields
    vocabulary: int,
    batch: tuple[int, int],
    sentence: str,
) -> None:
    with pytest.raises(ProgramError, match=sentence):
        check_plan(ParallelPlan(**changes), MODEL, vocabulary, [batch])


def test_interleaving_wants_a_pipeline() -> None:
    with pytest.raises(ValidationError, match="wants a pipeline"):
        ParallelPlan(stages_per_process=2)


def test_the_ends_of_a_pipeline_may_have_a_layer_less() -> None:
    assert layers_of_stages(4, 2) == [range(0, 2), range(2, 4)]
    assert [len(layers) for layers in layers_of_stages(126, 16)] == [7, *[8] * 14, 7]
    assert layers_of_stages(126, 16)[-1].stop == 126


def test_chunks_of_a_row_are_shared_from_both_ends() -> None:
    assert own_tokens(8, 1, 0).tolist() == list(range(8))
    assert own_tokens(16, 2, 0).tolist() == [0, 1, 2, 3, 12, 13, 14, 15]
    assert own_tokens(16, 2, 1).tolist() == list(range(4, 12))
