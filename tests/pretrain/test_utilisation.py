"""FLOPs of a step are those that torch counts, and the share of the processor is told once, after a while."""

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaForCausalLM

from pretrain.utilisation import Utilisation, most_flops, training_flops

CONFIG = LlamaConfig(
    vocab_size=100,
    hidden_size=32,
    intermediate_size=88,
    num_hidden_layers=3,
    num_attention_heads=4,
    num_key_value_heads=2,
    attn_implementation="eager",
)
CPU = torch.device("cpu")


def counted(config: LlamaConfig, length: int) -> int:
    model = LlamaForCausalLM(config)
    with FlopCounterMode(display=False) as counter:
        model(torch.arange(length)[None] % 100).logits.sum().backward()
    return int(counter.get_total_flops())


@pytest.mark.parametrize("changes", [{}, {"head_dim": 16}, {"num_key_value_heads": 4}], ids=str)
def test_flops_are_those_that_torch_counts_but_for_what_is_ahead(changes: dict[str, Any]) -> None:
    config = LlamaConfig(**{**CONFIG.to_dict(), "attn_implementation": "eager", **changes})
    length = 40
    width = config.num_attention_heads * config.head_dim
    # torch counts whole squares of attention.
    ahead = 12 * config.num_hidden_layers * width * (length * (length - 1) // 2)
    assert training_flops(config, torch.arange(length)[None]) == counted(config, length) - ahead


def test_documents_of_a_row_do_not_see_each_other() -> None:
    together = training_flops(CONFIG, torch.tensor([[0, 1, 2, 0, 1]]))
    apart = training_flops(CONFIG, torch.tensor([0, 1, 2])) + training_flops(CONFIG, torch.tensor([0, 1]))
    assert together == apart < training_flops(CONFIG, torch.arange(5))


def test_it_is_told_after_a_while_and_for_all_processes() -> None:
    assert Utilisation(CPU, "fp32", 1).mfu(1e9, 1.0) is None
    alone = Utilisation(CPU, "fp32", 1, after_seconds=0)
    told = alone.mfu(1e9, 1.0)
    assert told is not None and told > 0
    assert alone.mfu(2e9, 1.0) == pytest.approx(2 * told)
    together = Utilisation(CPU, "fp32", 4, after_seconds=0)
    shared = together.mfu(1e9, 1.0)
    assert shared is not None and shared < told


def test_measuring_moves_no_random_number() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    assert (most_flops(CPU, "bf16") or 0) > 0
    assert torch.equal(torch.get_rng_state(), before)


def test_of_an_unknown_device_nothing_is_told() -> None:
    assert most_flops(torch.device("meta"), "fp32") is None
    assert Utilisation(torch.device("meta"), "fp32", 1, after_seconds=0).mfu(1e9, 1.0) is None
