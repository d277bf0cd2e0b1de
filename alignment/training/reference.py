"""What the reference says of each response: computed once for each example, and shared by all variants.

Comes in: the reference (the policy before its first step) and the rows. Goes out: each response's
log-probability without its format tokens, one tensor for each row. Kept in a file that several programs may
use at once: they wait for each other. Whoever comes first computes the rows of all of them, in one order, so
that no last bit depends on who that was. Of another reference or another precision nothing is used.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors.torch import load_file, safe_open, save
from torch import Tensor, nn

from alignment.programs import DpoConfig
from alignment.training.forward import target_logprobs
from alignment.training.losses import response_sums
from alignment.training.measuring import response_values
from alignment.training.rows import Row, language_rows, to_device
from pretrain.processes import is_first, wait_for_all
from pretrain.run import RunFolder
from pretrain.sharding import whole_weights
from pretrain.whole_folder import sync

CACHE_NAME = "reference.safetensors"


def reference_logprobs(
    model: nn.Module, rows: Sequence[Row], together: Sequence[Row], config: DpoConfig, folder: RunFolder
) -> list[Tensor]:
    """The log-probability of each row's responses, from the cache where it has them all.

    Else those of the rows `together` are computed anew: the rows of all programs that share the cache.
    """
    path = config.reference_cache or folder.path / CACHE_NAME
    reference = reference_key(model, config)
    keys = [row_key(row) for row in rows]
    with whole_use(path):
        known = read_cache(path, reference)
        if not known.keys() >= set(keys):
            found = logprobs_of_responses(
                model, together, config.max_tokens_per_microbatch, autocast=config.precision == "bf16"
            )
            known |= dict(zip(map(row_key, together), found, strict=True))
            if is_first():
                write_cache(path, reference, known)
    return [known[key] for key in keys]


def logprobs_of_responses(
    model: nn.Module, rows: Sequence[Row], max_tokens: int, *, autocast: bool = False
) -> list[Tensor]:
    """The log-probability of each row's responses without format tokens; `autocast` to bf16."""
    device = next(model.parameters()).device

    def logprobs_of(model: nn.Module, few: Sequence[Row]) -> Tensor:
        batch = to_device(language_rows(few), device)
        with torch.autocast(device.type, torch.bfloat16, enabled=autocast):
            logprobs_R = target_logprobs(model, batch) * ~batch.format_R
        return response_sums(logprobs_R, batch.response_R, batch.num_responses)

    return response_values(model, rows, max_tokens, logprobs_of)


@contextmanager
def whole_use(path: Path) -> Iterator[None]:
    """Keep the cache to this program while the block runs, to all of its processes; other programs wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The folder itself is locked: a file for the lock alone would stay behind.
    lock = os.open(path.parent, os.O_RDONLY)
    try:
        if is_first():
            fcntl.flock(lock, fcntl.LOCK_EX)
        wait_for_all()
        yield
        wait_for_all()
    finally:
        os.close(lock)


def read_cache(path: Path, reference: str) -> dict[str, Tensor]:
    """The log-probabilities by row; none of another reference's."""
    if not path.exists():
        return {}
    with safe_open(path, framework="pt") as cache:
        if cache.metadata()["reference"] != reference:
            return {}
    return dict(load_file(path))


def write_cache(path: Path, reference: str, known: dict[str, Tensor]) -> None:
    """Write the cache aside and rename it."""
    aside = path.with_name(f".{path.name}.writing")
    try:
        # Not by safetensors' own `save_file`: the temporary file of a killed one has another name each time.
        aside.write_bytes(save(known, metadata={"reference": reference}))
        sync(aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def reference_key(model: nn.Module, config: DpoConfig) -> str:
    """A hash of the reference's weights and of the precision it is read in.

    Without adapters, which begin with no effect.
    """
    digest = hashlib.sha256(config.precision.encode())
    for name, weight in whole_weights(model):
        if "lora_" in name:
            continue
        digest.update(name.encode())
        digest.update(weight.detach().cpu().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def row_key(row: Row) -> str:
    """A hash of a row's tokens and of which of them count."""
    content = json.dumps([row.context, row.responses, row.format_masks])
    return hashlib.sha256(content.encode()).hexdigest()[:32]
