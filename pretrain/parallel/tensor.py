"""Tensor parallelism of a Llama: each layer's matrices in parts, by PyTorch's own styles.

Comes in: a stage and the mesh of the processes that share its layers. Goes out: the same stage, its weights
DTensors. Query, key, value, gate and up projections are cut by columns, so that each process has heads and
units of its own; output and down projections by rows. Between them, where a process would otherwise repeat
what its neighbours do, each has its part of the tokens (sequence parallelism), and the logits stay cut by
vocabulary up to the loss (loss parallelism).

(Shoeybi et al. 2019, "Megatron-LM"; Korthikanti et al. 2022, "Reducing activation recomputation".)
"""

from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import Replicate, Shard
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    PrepareModuleInput,
    RowwiseParallel,
    SequenceParallel,
    parallelize_module,
)
from torch.distributed.tensor.parallel.style import ParallelStyle

TOKENS = Shard(1)


def share_matrices(stage: nn.Module, mesh: DeviceMesh) -> None:
    """Cut the stage's weights over the processes of `mesh`. All of them must have the same weights."""
    plan: dict[str, ParallelStyle] = {}
    for name, module in stage.named_modules():
        match type(module).__name__:
            case "LlamaDecoderLayer":
                plan |= {f"{name}.{part}": style for part, style in layer_styles().items()}
            case "Embedding":
                # Its gradient's empty row would be another one in each part; padding has no gradient anyway.
                module.padding_idx = None
                plan[name] = RowwiseParallel(input_layouts=Replicate(), output_layouts=TOKENS)
            case "LlamaRMSNorm" if name.endswith("model.norm"):
                plan[name] = SequenceParallel()
            case "Linear" if name.endswith("lm_head"):
                plan[name] = ColwiseParallel(
                    input_layouts=TOKENS, output_layouts=Shard(-1), use_local_output=False
                )
    # Every process takes its part of what it has: nothing is sent.
    parallelize_module(stage, mesh, plan, src_data_rank=None)


def layer_styles() -> dict[str, ParallelStyle]:
    """The styles of one layer's modules. Between the modules, tokens are in parts as plain tensors."""
    whole = Replicate()
    return {
        "input_layernorm": SequenceParallel(),
        "self_attn": PrepareModuleInput(
            input_kwarg_layouts={"hidden_states": TOKENS},
            desired_input_kwarg_layouts={"hidden_states": whole},
        ),
        "self_attn.q_proj": ColwiseParallel(),
        "self_attn.k_proj": ColwiseParallel(),
        "self_attn.v_proj": ColwiseParallel(),
        "self_attn.o_proj": RowwiseParallel(output_layouts=TOKENS),
        "post_attention_layernorm": SequenceParallel(),
        "mlp": PrepareModuleInput(input_layouts=(TOKENS,), desired_input_layouts=(whole,)),
        "mlp.gate_proj": ColwiseParallel(),
        "mlp.up_proj": ColwiseParallel(),
        "mlp.down_proj": RowwiseParallel(output_layouts=TOKENS),
    }
