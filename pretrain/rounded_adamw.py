"""AdamW for weights that are themselves bf16: half of fp32's memory for weights, gradients and moments.

A bf16 number has eight bits of mantissa: an update smaller than a 256th of a weight, which at the end of a
training all are, is lost when it is rounded to the nearest. So it is rounded at random, up as often as the
part that is cut off asks for, and is right in the mean (Gupta et al. 2015, "Deep learning with limited
numerical precision"; Zamirai et al. 2020, "Revisiting bfloat16 training").
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

CUT_BITS = 16
"""Bits of an fp32 number that bf16 does not have."""


class RoundedAdamW(torch.optim.Optimizer):
    """AdamW (Loshchilov and Hutter 2019) computed in fp32, a weight at a time, and kept in the weights' type.

    bf16 weights and moments are rounded at random, from torch's generator of the weight's device; fp32 ones
    are not rounded. Takes what torch's AdamW takes, without its rarer options.
    """

    def __init__(
        self,
        params: Iterable[Any],  # Any: parameters or groups of them, as in torch
        *,
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:
        """Update every weight that has a gradient."""
        assert closure is None
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._update(weight, group)

    def _update(self, weight: Tensor, group: dict[str, Any]) -> None:  # Any: torch's options of a group
        state = self.state[weight]
        if not state:
            state["step"] = torch.zeros(())
            state["exp_avg"] = torch.zeros_like(weight)
            state["exp_avg_sq"] = torch.zeros_like(weight)
        state["step"] += 1
        num_steps = state["step"].item()
        beta1, beta2 = group["betas"]
        gradient = weight.grad.float()
        mean = torch.lerp(state["exp_avg"].float(), gradient, 1 - beta1)
        square = torch.lerp(state["exp_avg_sq"].float(), gradient.square(), 1 - beta2)
        scale = square.div(1 - beta2**num_steps).sqrt_().add_(group["eps"])
        wide = weight.float().mul(1 - group["lr"] * group["weight_decay"])
        wide.addcdiv_(mean, scale, value=-group["lr"] / (1 - beta1**num_steps))
        write_rounded(state["exp_avg"], mean)
        write_rounded(state["exp_avg_sq"], square)
        write_rounded(weight, wide)


def write_rounded(out: Tensor, values: Tensor) -> None:
    """Write fp32 `values` into `out`; rounded at random where it is bf16. Each process writes
    its own parts of sharded tensors."""
    if isinstance(out, DTensor) and isinstance(values, DTensor):
        out, values = out.to_local(), values.to_local()
    out.copy_(rounded_at_random(values) if out.dtype == torch.bfloat16 else values)


def rounded_at_random(values: Tensor) -> Tensor:
    """fp32 numbers as the bf16 number below or above, each as likely as the other is far away.

    What is added to the bits is carried into those that stay as often as the bits cut off are large; signs
    are bits of their own, so that this is right on both sides of zero.
    """
    noise = torch.randint_like(values, 0, 1 << CUT_BITS, dtype=torch.int32)
    bits = (values.contiguous().view(torch.int32) + noise).bitwise_and_(-1 << CUT_BITS)
    return bits.view(torch.float32).bfloat16()
