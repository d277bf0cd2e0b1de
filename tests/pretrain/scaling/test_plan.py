"""The plan of a sweep: its FLOPs are those that torch counts, its runs fill their budgets."""

import pytest
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from pretrain.dialog import DialogEncoder
from pretrain.failures import ProgramError
from pretrain.model import make_model
from pretrain.packing import TokenData
from pretrain.scaling.plan import SizeRule, flops_per_token, matrix_weights, plan_runs

RULE = SizeRule(num_sizes=5, head_size=8, width_step=8, min_tokens_per_weight=0.5, max_tokens_per_weight=60)


def test_flops_are_those_that_torch_counts(encoder: DialogEncoder) -> None:
    recipe = RULE.shape(96)
    model = make_model(recipe, encoder, 64, seed=0)
    model.config._attn_implementation = "eager"
    data = TokenData([[1 + place % 200 for place in range(65)]] * 4, encoder.pad_id)
    (batch,) = data.whole_batches(sequence_length=65, num_rows=4, max_rows=4)
    counter = FlopCounterMode(display=False)
    with counter:
        logits_BTV = model(input_ids=batch.input_ids_BT, use_cache=False).logits
        F.cross_entropy(logits_BTV.flatten(0, 1), batch.targets_BT.flatten()).backward()
    counted = counter.get_total_flops() / batch.input_ids_BT.numel()
    assert flops_per_token(recipe, encoder.vocabulary_size, 65) == pytest.approx(counted, rel=2e-3)
    embedding = model.get_input_embeddings().weight.numel()
    matrices = sum(weight.numel() for weight in model.parameters() if weight.ndim == 2)
    assert matrix_weights(recipe, encoder.vocabulary_size) == matrices - embedding


def test_each_budget_is_filled_in_several_ways() -> None:
    plans = plan_runs([4e11, 1e11], RULE, vocabulary_size=384, num_rows=4, sequence_length=128)
    assert [plan.budget for plan in plans] == [1e11] * 5 + [4e11] * 5
    for plan in plans:
        step = plan.flops / plan.num_steps
        assert abs(plan.flops - plan.budget) <= step / 2 + 1
        per_weight = plan.num_tokens / matrix_weights(plan.model, 384)
        assert 0.45 < per_weight < 66
    widths = [plan.model.hidden_size for plan in plans[:5]]
    assert widths == sorted(set(widths))


def test_a_budget_without_room_is_refused_with_what_to_change() -> None:
    with pytest.raises(ProgramError, match=r"room for \d models of 5: raise it"):
        plan_runs([1e9], RULE, vocabulary_size=384, num_rows=4, sequence_length=128)


def test_the_rule_is_told_in_words() -> None:
    assert "tokens = budget / (6 W + 12 L T D)" in RULE.describe()
