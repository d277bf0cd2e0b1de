"""Training over several processes is the training of one."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from alignment.programs import DpoConfig, LoraConfig, RewardConfig, SftConfig, TrainingConfig
from alignment.training import dpo, reward, sft
from alignment.training.lora import add_adapters
from alignment.training.program import placed
from alignment.training.schedule import LaidOut
from pretrain.loop import LoopConfig, LossFunction, make_optimizer, take_step
from pretrain.packed.attention import use_planned_attention
from pretrain.processes import is_first, process_group
from pretrain.sharding import gathered, weights_of
from tests.alignment.training import factories
from tests.alignment.training.factories import make_model, make_row, training
from tests.alignment.training.together import run_together

NOWHERE = Path("/nowhere")
LOOP = LoopConfig(num_steps=1, learning_rate=1e-3, weight_decay=0.1, max_grad_norm=0.5)
ROWS = [
    make_row([10 + number, 7, 5], [20 + number, 9, 3], [30, 40 + number, 50, 3], [60 + number, 3])
    for number in range(5)
]
CASES = ("reward", "dpo", "sft", "dpo with tied embeddings", "dpo with adapters", "sft with recomputing")

Outcome = dict[str, Any]


def prepared(case: str, num_processes: int) -> tuple[TrainingConfig, nn.Module]:
    """What a case trains. Three rows make microbatches of one row each, five do not."""
    options = {
        "optimizer": factories.make_optimizer(batch_size=len(ROWS)),
        "num_processes": num_processes,
        "max_row_tokens": 16,
        "max_tokens_per_microbatch": 16,
        "recompute_activations": case.endswith("recomputing"),
    }
    config_type = {"reward": RewardConfig, "dpo": DpoConfig, "sft": SftConfig}[case.split()[0]]
    config = config_type(**training(NOWHERE, NOWHERE, NOWHERE, **options))
    model = make_model(seed=3)
    use_planned_attention(model)
    if case.endswith("tied embeddings"):
        model.lm_head.weight = model.model.embed_tokens.weight
    if case.endswith("adapters"):
        add_adapters(model, LoraConfig(rank=4))
        for name, weight in model.named_parameters():  # they start at zero
            if "lora_B" in name:
                nn.init.constant_(weight, 0.01)
    return config, reward.reward_model_from(model, pad_id=0) if case == "reward" else model


def microbatches_of(config: TrainingConfig) -> tuple[LaidOut[Any], LossFunction[Any]]:
    """The first step's microbatches, each of one row, and the loss."""
    match config:
        case RewardConfig():
            return reward.step_batches(0, ROWS, config), reward.reward_loss
        case DpoConfig():
            reference = [torch.tensor([-20.0, -19.0, -18.0], dtype=torch.float64)] * len(ROWS)
            terms = dpo.terms_of(config)
            return dpo.step_batches(0, ROWS, reference, config), lambda model, batch: dpo.policy_loss(
                model, batch, terms=terms
            )
        case SftConfig():
            return sft.step_batches(0, ROWS, config), sft.sft_loss
    raise AssertionError(config)


def one_step(case: str, num_processes: int) -> Outcome:
    """The metrics of an optimizer step, every gradient, and every weight after it."""
    config, model = prepared(case, num_processes)
    model = placed(model, config).train()
    batches, loss = microbatches_of(config)
    assert len(batches) == len(ROWS)
    metrics = take_step(model, make_optimizer(model, LOOP), batches, loss, LOOP.learning_rate, LOOP)
    gradients = {f"gradient {place}": weight.grad for place, weight in enumerate(model.parameters())}
    return {**metrics, **gathered({**gradients, **weights_of(model)})}


def all_steps(num_processes: int, cases: Sequence[str], out: Path) -> None:
    """Every case's step, as one of several processes."""
    with process_group(num_processes):
        found = {case: one_step(case, num_processes) for case in cases}
        if is_first():
            torch.save(found, out)


@pytest.mark.parametrize(("num_processes", "cases"), [(2, CASES), (3, CASES[:3])])
def test_a_step_of_several_processes_is_the_step_of_one(
    num_processes: int, cases: Sequence[str], tmp_path: Path
) -> None:
    """Three do not share five microbatches evenly either."""
    run_together(num_processes, all_steps, num_processes, cases, tmp_path / "steps.pt")
    together: dict[str, Outcome] = torch.load(tmp_path / "steps.pt")
    for case in cases:
        alone = one_step(case, 1)
        assert set(alone) == set(together[case])
        for name, value in alone.items():
            found = together[case][name]
            if value is None:  # the gradient of what does not train
                assert found is None, (case, name)
            else:
                assert torch.as_tensor(found - value).abs().max() < 1e-6, (case, name)
