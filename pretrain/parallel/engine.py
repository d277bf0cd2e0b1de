"""The steps of a training on a mesh, for the one training loop.

Comes in: a model, whole and alike in every process, and the rows of each step. Goes out: gradients in this
process's parts of the weights, the step's loss, and checkpoints that any other mesh can go on from.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeAlias

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleInterleaved1F1B
from torch.distributed.tensor import DTensor
from torch.distributed.tensor.parallel import loss_parallel

from pretrain.loop_state import LoopConfig, LoopState
from pretrain.parallel.context import own_tokens
from pretrain.parallel.elastic import ElasticStore
from pretrain.parallel.mesh import Mesh
from pretrain.parallel.plan import layers_of_stages
from pretrain.parallel.stage import Stage, make_stage
from pretrain.processes import summed
from pretrain.sharding import local_part
from pretrain.stream import Rows
from pretrain.utilisation import training_flops

Pipeline: TypeAlias = "Schedule1F1B | ScheduleInterleaved1F1B"


class MeshEngine:
    """What the loop asks of a model in parts: gradients, their norm, checkpoints."""

    def __init__(self, whole: nn.Module, mesh: Mesh, store: ElasticStore) -> None:
        """`whole` is taken apart."""
        plan = mesh.plan
        self._mesh = mesh
        self._store = store
        self._config = whole.config
        layers = layers_of_stages(len(whole.model.layers), plan.num_stages)
        # Interleaved stages go round the pipeline, so that neighbours in depth are neighbours in rank.
        self._places = range(mesh.pipeline_rank, plan.num_stages, plan.pipeline)
        self.stages = [make_stage(whole, layers[place], mesh) for place in self._places]
        self.model: nn.Module = nn.ModuleList(self.stages)
        self._pipelines: dict[tuple[int, int], Pipeline] = {}

    def named_weights(self) -> Iterator[tuple[str, nn.Parameter]]:
        """This process's weights by the names that they have in the whole model."""
        for stage in self.stages:
            yield from stage.named_parameters()

    def gradients(self, rows: Rows, config: LoopConfig) -> dict[str, float]:
        """Add up the gradients of a step over all its rows; its metrics, the same in every process."""
        own = self._own_part(rows)
        with self._context(config):
            losses = self._pipelined(own) if self._mesh.plan.pipeline > 1 else self._one_stage(own)
        told = sum(loss.item() for loss in losses) if self._mesh.tells_loss else 0.0
        flops = training_flops(self._config, rows.position_ids_RT)
        return {**summed({"loss": told}), "num_tokens": float(rows.num_targets), "flops": flops}

    @torch.no_grad()
    def mean_loss(self, rows: Rows, config: LoopConfig) -> float:
        """Nats per token of rows that nothing is learned from, the same in every process."""
        own = self._own_part(rows)
        with self._context(config):
            if self._mesh.plan.pipeline > 1:
                losses = self._pipelined(own, learns=False)
            else:
                (stage,) = self.stages
                size = self._mesh.plan.rows_per_microbatch
                parts = [own.part(slice(first, first + size)) for first in range(0, len(own), size)]
                losses = [stage(part.input_ids_RT, **part.keywords()) for part in parts]
        for module in self.model.modules():
            if isinstance(module, FSDPModule):
                module.reshard()  # weights gathered here would be taken for this process's parts
        told = sum(loss.item() for loss in losses) if self._mesh.tells_loss else 0.0
        return summed({"loss": told})["loss"]

    def gradient_norm(self, gradients: list[DTensor]) -> Tensor:
        """The norm over the gradients of all stages."""
        squares = []
        for gradient in gradients:
            # The parts in all processes make up the whole, but norms' weights are alike in a tensor group.
            alike = self._mesh.plan.tensor if gradient.placements[-1].is_replicate() else 1
            squares.append(local_part(gradient).square().sum() / alike)
        square = torch.stack(squares).sum()
        dist.all_reduce(square)
        return square.sqrt()

    def load(self, optimizer: torch.optim.Optimizer, config: LoopConfig) -> LoopState:
        """Go on from the newest checkpoint, of whatever mesh."""
        return self._store.load(dict(self.named_weights()), optimizer, config)

    def save(self, optimizer: torch.optim.Optimizer, state: LoopState, config: LoopConfig) -> None:
        """Begin a checkpoint; training goes on while it is written."""
        self._store.save(dict(self.named_weights()), optimizer, state, config)

    def finish(self) -> None:
        """Wait until the last checkpoint is complete."""
        self._store.finish()

    @contextmanager
    def _context(self, config: LoopConfig) -> Iterator[None]:
        """Precision; logits stay in parts where the vocabulary is."""
        bf16 = config.precision == "bf16"
        with torch.autocast(self._mesh.device.type, torch.bfloat16, enabled=bf16):
            if self._mesh.plan.tensor > 1:
                with loss_parallel():
                    yield
            else:
                yield

    def _own_part(self, rows: Rows) -> Rows:
        """The rows of this process's data group, and its tokens of them."""
        plan = self._mesh.plan
        num_own = len(rows) // plan.data
        first = self._mesh.data_rank * num_own
        places_T = own_tokens(rows.length, plan.context, self._mesh.context_rank)
        return rows.part(slice(first, first + num_own), places_T).to(self._mesh.device)

    def _one_stage(self, rows: Rows) -> list[Tensor]:
        """Microbatch after microbatch; gradients are sent with the last one."""
        (stage,) = self.stages
        size = self._mesh.plan.rows_per_microbatch
        losses = []
        for first in range(0, len(rows), size):
            last = first + size >= len(rows)
            stage.set_is_last_backward(last)
            stage.set_requires_gradient_sync(last)
            part = rows.part(slice(first, first + size))
            loss = stage(part.input_ids_RT, **part.keywords())
            loss.backward()
            losses.append(loss.detach())
        return losses

    def _pipelined(self, rows: Rows, *, learns: bool = True) -> list[Tensor]:
        """All microbatches through PyTorch's schedule; the losses, known at the end of the pipeline only."""
        losses: list[Tensor] = []
        pipeline = self._pipeline_for(rows)
        (pipeline.step if learns else pipeline.eval)(
            *([rows.input_ids_RT] if self._mesh.pipeline_rank == 0 else []),
            target=rows.targets_RT,
            losses=losses,
            return_outputs=False,
            **rows.keywords(),
        )
        return [loss.detach() for loss in losses]

    def _pipeline_for(self, rows: Rows) -> Pipeline:
        """The schedule for steps of this shape, made at the first of them."""
        shape = (len(rows), rows.length)
        if shape not in self._pipelines:
            plan = self._mesh.plan
            num_microbatches = len(rows) // plan.rows_per_microbatch
            parts = [
                self._part(stage, place, rows.length)
                for stage, place in zip(self.stages, self._places, strict=True)
            ]
            if plan.stages_per_process > 1:
                self._pipelines[shape] = ScheduleInterleaved1F1B(
                    parts, num_microbatches, loss_fn=loss_itself, scale_grads=False
                )
            else:
                self._pipelines[shape] = Schedule1F1B(
                    parts[0], num_microbatches, loss_fn=loss_itself, scale_grads=False
                )
        return self._pipelines[shape]

    def _part(self, stage: Stage, place: int, length: int) -> PipelineStage:
        """The stage with the shapes that it takes and gives, so that none has to be tried out."""
        plan, device = self._mesh.plan, self._mesh.device
        num_rows = plan.rows_per_microbatch
        hidden = torch.empty(
            num_rows, length // plan.tensor, self._config.hidden_size, device=device, requires_grad=True
        )
        tokens = torch.empty(num_rows, length, dtype=torch.int64, device=device)
        loss = torch.empty((), device=device, requires_grad=True)
        return PipelineStage(
            stage,
            place,
            plan.num_stages,
            device,
            input_args=tokens if stage.is_first else hidden,
            output_args=loss if stage.is_last else hidden,
            group=self._mesh.pipeline_group,
        )


def loss_itself(loss: Tensor, _targets_BT: Tensor) -> Tensor:
    """The last stage's output is its loss."""
    return loss
