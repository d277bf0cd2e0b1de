"""The canary check: does a running engine really hold the weights of a checkpoint folder?

Pure: nothing of torch, vLLM or Django. A folder's canary.json has a fixed text's token ids and the
log-probability of each but the first, computed in fp32 when the folder was written. After weights move
into a running engine its log-probabilities of that text are compared with them.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Precision = Literal["float32", "bfloat16"]
"""The number formats that engines compute in, by vLLM's names."""

FLOAT32_BYTES = 2 << 30
"""Up to this size an fp32 folder runs as it is; larger models are rounded to bf16, at half the memory."""

TOLERANCE: dict[Precision, float] = {"float32": 1e-4, "bfloat16": 0.05}
"""The mean absolute difference that passes.

Measured with a model of 1M parameters. Right weights: 1e-6 in fp32, 0.02 in bf16. Stale weights: 0.017 after
20 steps at a learning rate of 1e-5, 0.16 at 1e-4, 1.5 for another model, 0.6 for tied embeddings.
"""


@dataclass(frozen=True)
class Canary:
    """A fixed text's token ids and the log-probability of each but the first."""

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]


def read_canary(folder: Path) -> Canary | None:
    """The folder's canary, or None where it has none (a model from elsewhere)."""
    path = folder / "canary.json"
    if not path.is_file():
        return None
    row = json.loads(path.read_text(encoding="utf-8"))
    canary = Canary(tuple(row["token_ids"]), tuple(row["logprobs"]))
    assert len(canary.logprobs) == len(canary.token_ids) - 1 > 0, path
    return canary


def engine_precision(folder: Path) -> Precision:
    """What an engine computes this folder's model in, by the size of its weights."""
    num_bytes = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return "float32" if num_bytes <= FLOAT32_BYTES else "bfloat16"


def canary_difference(canary: Canary, logprobs: Sequence[float]) -> float:
    """Mean absolute difference between what an engine gave and what the folder says."""
    pairs = zip(canary.logprobs, logprobs, strict=True)
    return sum(abs(expected - found) for expected, found in pairs) / len(canary.logprobs)
