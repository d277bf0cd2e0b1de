"""What the reference says of each response: computed once before DPO and kept in the run folder.

Comes in: the reference (the policy before its first step) and the rows. Goes out: each response's
log-probability without its format tokens, one tensor for each row. The cache is used again only for the
same weights, the same rows and the same precision.
"""

import hashlib
import json
from collections.abc import Sequence

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from alignment.programs import DpoConfig
from alignment.training.forward import target_logprobs
from alignment.training.losses import response_sums
from alignment.training.rows import Row, language_rows, to_device
from alignment.training.schedule import microbatches
from pretrain.run import RunFolder

CACHE_NAME = "reference.safetensors"
KEY = "logprobs"


def reference_logprobs(
    model: nn.Module, rows: Sequence[Row], config: DpoConfig, folder: RunFolder
) -> list[Tensor]:
    """The log-probability of each row's responses, from the run folder's cache where it has them."""
    path = folder.path / CACHE_NAME
    fingerprint = content_fingerprint(model, rows, config)
    counts = [len(row.responses) for row in rows]
    if path.exists():
        with safe_open(path, framework="pt") as cache:
            if cache.metadata()["fingerprint"] == fingerprint:
                return list(cache.get_tensor(KEY).split(counts))
    found = compute_logprobs(model, rows, config)
    aside = path.with_name(f".{path.name}.writing")
    save_file({KEY: torch.cat(found)}, aside, metadata={"fingerprint": fingerprint})
    aside.replace(path)
    return found


@torch.no_grad()
def compute_logprobs(model: nn.Module, rows: Sequence[Row], config: DpoConfig) -> list[Tensor]:
    """The log-probability of each row's responses, in the precision of the training."""
    model.eval()
    device = next(model.parameters()).device
    found: list[Tensor] = [torch.empty(0)] * len(rows)
    for examples in microbatches([row.num_tokens for row in rows], config.max_tokens_per_microbatch):
        batch = to_device(language_rows([rows[example] for example in examples]), device)
        with torch.autocast(device.type, torch.bfloat16, enabled=config.precision == "bf16"):
            logprobs_R = target_logprobs(model, batch) * ~batch.format_R
        sums_S = response_sums(logprobs_R, batch.response_R, batch.num_responses).cpu()
        for example, sums in zip(
            examples, sums_S.split([len(rows[example].responses) for example in examples]), strict=True
        ):
            found[example] = sums.clone()
    return found


def content_fingerprint(model: nn.Module, rows: Sequence[Row], config: DpoConfig) -> str:
    """A hash of all that the log-probabilities depend on."""
    digest = hashlib.sha256(config.precision.encode())
    for name, weight in model.state_dict().items():
        digest.update(name.encode())
        digest.update(weight.detach().cpu().contiguous().numpy().tobytes())
    for row in rows:
        digest.update(json.dumps([row.context, row.responses, row.format_masks]).encode())
    return digest.hexdigest()
