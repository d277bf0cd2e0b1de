"""A run of a Llama's layers, with the embedding before the first and the head and the loss after the last.

Comes in: a whole LlamaForCausalLM. Goes out: a Stage that holds some of its modules under their own names, so
that a weight has one name on every mesh. A model in one stage is the whole model.

Shapes: B rows, T tokens of a row in this process, D hidden size, V vocabulary, M = B · T.
"""

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from torch.utils.checkpoint import checkpoint

from pretrain.packed.head import head_logprobs
from pretrain.packing import NO_TARGET
from pretrain.parallel.context import Visible, own_chunks, use_context_attention
from pretrain.parallel.mesh import Mesh
from pretrain.parallel.tensor import share_matrices


class Stage(nn.Module):
    """Layers `first` to `last` of a model; its forward pass gives hidden states, or the loss at the end."""

    def __init__(self, whole: nn.Module, layers: range, mesh: Mesh) -> None:
        super().__init__()
        use_context_attention(whole)
        self._mesh = mesh
        self.is_first = layers.start == 0
        self.is_last = layers.stop == len(whole.model.layers)
        self.rotary = whole.model.rotary_emb
        self.model = nn.Module()
        self.model.layers = nn.ModuleDict({str(place): whole.model.layers[place] for place in layers})
        if self.is_first:
            self.model.embed_tokens = whole.model.embed_tokens
        if self.is_last:
            self.model.norm = whole.model.norm
            self.lm_head = whole.lm_head

    def forward(
        self,
        inputs: Tensor,
        *,
        position_ids_BT: Tensor,
        starts_BT: Tensor,
        targets_BT: Tensor,
        num_targets: int,
    ) -> Tensor:
        """Of token ids (B, T) or the stage before's hidden states, the hidden states; at the end the share of
        the loss that this process's tokens have, `num_targets` being those of the whole step.

        Hidden states between stages are (B, T / tensor parallelism, D). `starts_BT`: the place in its row at
        which a token's document starts.
        """
        plan = self._mesh.plan
        group = self._mesh.context_group if plan.context > 1 else None
        hidden_BTD = self.model.embed_tokens(inputs) if self.is_first else inputs
        chunks = own_chunks(starts_BT.shape[1] * plan.context, plan.context, self._mesh.context_rank)
        visible = Visible(starts_BT, tuple(chunks), group)
        rotation = self.rotary(hidden_BTD, position_ids=position_ids_BT)
        for layer in self.model.layers.values():
            hidden_BTD = layer(hidden_BTD, position_embeddings=rotation, visible=visible)
        if not self.is_last:
            return hidden_BTD
        return self._loss(self.model.norm(hidden_BTD), targets_BT.flatten()) / max(1, num_targets)

    def _loss(self, hidden_BTD: Tensor, targets_M: Tensor) -> Tensor:
        """The sum over the targets. Where each process has its part of the vocabulary, the logits stay in
        parts; a whole one is read in chunks, so that it does not set the memory."""
        if self._mesh.plan.tensor == 1:
            logprobs_M = head_logprobs(self.lm_head, hidden_BTD.flatten(0, 1), targets_M.clamp_min(0))
            return -(logprobs_M * (targets_M != NO_TARGET)).sum()
        logits_MV = self.lm_head(hidden_BTD).flatten(0, 1).float()
        total = F.cross_entropy(logits_MV, targets_M, ignore_index=NO_TARGET, reduction="sum")
        return total.to_local() if isinstance(total, DTensor) else total


def make_stage(whole: nn.Module, layers: range, mesh: Mesh) -> Stage:
    """This process's part of the weights of `layers`: cut over the tensor group, then sharded by FSDP2.

    Gradients are added up over the shards' processes, not averaged: each loss is a share of the step's.
    """
    stage = Stage(whole, layers, mesh).to(mesh.device)
    if mesh.plan.tensor > 1:
        share_matrices(stage, mesh.tensor)
    if mesh.plan.recompute_activations:
        for layer in stage.model.layers.values():
            # Within what FSDP2 does around a layer, so that its weights are there both times.
            layer.forward = partial(checkpoint, layer.forward, use_reentrant=False, preserve_rng_state=False)
    summed_in_fp32 = MixedPrecisionPolicy(reduce_dtype=torch.float32)
    reshard = mesh.plan.reshard_after_forward
    parts = [*stage.model.layers.values(), stage]
    for part in parts:
        fully_shard(part, mesh=mesh.shards, mp_policy=summed_in_fp32, reshard_after_forward=reshard)
    for part in parts:
        part.set_force_sum_reduction_for_comms(True)
        part.set_gradient_divide_factor(1.0)
    return stage
