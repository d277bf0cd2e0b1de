"""What a model says of each response of many rows, without training: the passes are shared by all processes.

Comes in: a model, rows and a function that gives each response of a few rows a value. Goes out: the values.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from alignment.training.rows import Row
from alignment.training.schedule import microbatches
from pretrain.processes import num_processes, own_places, summed_tensor
from pretrain.sharding import call, reshard

ResponseValues = Callable[[nn.Module, Sequence[Row]], Tensor]
"""The value of each response of the rows, in their order."""


@torch.no_grad()
def response_values(
    model: nn.Module, rows: Sequence[Row], max_tokens: int, values: ResponseValues
) -> list[Tensor]:
    """The values of each row's responses, in fp64 on the CPU, the same in all processes."""
    model.eval()
    sizes = [len(row.responses) for row in rows]
    found = torch.zeros(sum(sizes), dtype=torch.float64).split(sizes)
    cut = microbatches([row.num_tokens for row in rows], max_tokens, num_processes())
    for place, counts in own_places(len(cut)):
        examples = cut[place]
        values_S = call(model, values, [rows[example] for example in examples]).cpu()
        if counts:
            for example, own in zip(examples, values_S.split([sizes[e] for e in examples]), strict=True):
                found[example].copy_(own)
    reshard(model)
    return list(summed_tensor(torch.cat(found)).split(sizes))
