"""How much of what a processor can do a training uses: model FLOPs utilisation (MFU).

Comes in: a model's configuration, the positions of the tokens of a step, a device. Goes out: the FLOPs that
the step needs, and the most that the device could do. Computing activations again counts as nothing gained,
as in Chowdhery et al. 2022, "PaLM", appendix B; unlike there, attention is counted only where a token looks.
"""

import time
from typing import Protocol

import torch
from torch import Tensor

MOST_FLOPS = {
    "B200": (2250e12, 80e12),
    "H200": (989e12, 67e12),
    "H100 PCIe": (756e12, 51e12),
    "H100": (989e12, 67e12),
    "A100": (312e12, 19.5e12),
    "L40S": (362e12, 91.6e12),
    "RTX 4090": (165e12, 82.6e12),
    "A10": (125e12, 31.2e12),
}
"""FLOP/s by a part of a GPU's name, by its data sheet, without sparsity: of bf16 tensor cores, and of fp32.
The first that fits."""
WIDTH, TIMES = 1024, 25
"""Of the square products that tell what a CPU can do; the best counts, for others may be at work."""
TOLD_AFTER_SECONDS = 60.0
"""A training shorter than this is not worth measuring the processor for."""


class Shape(Protocol):
    """What transformers' configurations of Llama and its relatives tell."""

    hidden_size: int
    intermediate_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    vocab_size: int


def training_flops(config: Shape, position_ids: Tensor) -> float:
    """FLOPs of a step forward and backward, over tokens at these positions of their documents.

    6 for each weight of a matrix and token (the head's, not the embedding's, which is looked up), and
    12 · width for each layer and pair of a token and one that it sees.
    """
    width = config.hidden_size
    head_size = getattr(config, "head_dim", None) or width // config.num_attention_heads
    query_width, key_width = (
        heads * head_size for heads in (config.num_attention_heads, config.num_key_value_heads)
    )
    layer = width * (2 * query_width + 2 * key_width + 3 * config.intermediate_size)
    weights = config.num_hidden_layers * layer + width * config.vocab_size
    seen = float(position_ids.sum()) + position_ids.numel()
    return 6.0 * weights * position_ids.numel() + 12.0 * config.num_hidden_layers * query_width * seen


def most_flops(device: torch.device, precision: str) -> float | None:
    """FLOP/s that the device can do at most: a GPU's by its data sheet, None where it is not known; a CPU's
    by square products in as many threads as torch uses, which takes up to a second."""
    low = precision != "fp32"
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        found = [bf16 if low else fp32 for part, (bf16, fp32) in MOST_FLOPS.items() if part in name]
        return found[0] if found else None
    if device.type != "cpu":
        return None
    # Ones, not random numbers: the training's generator must not move.
    square = torch.ones(WIDTH, WIDTH, dtype=torch.bfloat16 if low else torch.float32)
    out = torch.empty_like(square)
    seconds = []
    for _ in range(TIMES):
        began = time.perf_counter()
        torch.mm(square, square, out=out)
        seconds.append(time.perf_counter() - began)
    return 2.0 * WIDTH**3 / min(seconds)


class Utilisation:
    """Tells MFU once a training has gone on for a while; what the device can do is found out then, once."""

    def __init__(
        self,
        device: torch.device,
        precision: str,
        num_processes: int,
        after_seconds: float = TOLD_AFTER_SECONDS,
    ) -> None:
        """Each process has a device like this."""
        self._device = device
        self._precision = precision
        self._num_processes = num_processes
        self._from = time.perf_counter() + after_seconds
        self._most: float | None = None
        self._known = False

    def mfu(self, flops: float, seconds: float) -> float | None:
        """The share of the devices' FLOP/s that `flops` in `seconds` are; None while it is not told."""
        if not self._known:
            if time.perf_counter() < self._from:
                return None
            self._most, self._known = most_flops(self._device, self._precision), True
        return None if self._most is None else flops / seconds / (self._most * self._num_processes)
