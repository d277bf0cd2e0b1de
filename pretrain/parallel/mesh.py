"""The mesh of a running training: this process's place in it, and the groups it talks to.

Comes in: a ParallelPlan, in a process group of as many processes. Goes out: a Mesh. The rank of a process
counts through tensor, context, pipeline and data in this order, so that those who talk most are neighbours.
"""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh

from pretrain.parallel.plan import ParallelPlan

SHARDS = "shards"
"""The dimension over which FSDP shards: data and context together."""


@dataclass(frozen=True)
class Mesh:
    """This process among the others."""

    plan: ParallelPlan
    device: torch.device
    devices: DeviceMesh
    """Dimensions pipeline, data, context, tensor; FSDP's, data and context in one, is SHARDS."""
    shards: DeviceMesh
    tensor: DeviceMesh
    context_group: dist.ProcessGroup
    pipeline_group: dist.ProcessGroup
    data_rank: int
    context_rank: int
    pipeline_rank: int
    tensor_rank: int

    @property
    def tells_loss(self) -> bool:
        """Whether this process adds its part of a step's loss to the sum: those of one tensor group know
        the same one, and only the end of a pipeline knows it."""
        return self.tensor_rank == 0 and self.pipeline_rank == self.plan.pipeline - 1


def make_mesh(plan: ParallelPlan) -> Mesh:
    """This process's mesh. All processes must call it."""
    if not dist.is_initialized():  # a single process, started without torch's launcher
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    assert dist.get_world_size() == plan.num_processes, (dist.get_world_size(), plan)
    device_type = "cuda" if torch.cuda.is_available() else "cpu"
    ranks = torch.arange(plan.num_processes).view(plan.data, plan.pipeline, plan.context, plan.tensor)
    # Data beside context, which FSDP takes as one dimension.
    devices = DeviceMesh(
        device_type,
        ranks.transpose(0, 1).contiguous(),
        mesh_dim_names=("pipeline", "data", "context", "tensor"),
    )
    shards = devices["data", "context"]._flatten(SHARDS)
    return Mesh(
        plan=plan,
        device=torch.device(device_type),
        devices=devices,
        shards=shards,
        tensor=devices["tensor"],
        context_group=devices.get_group("context"),
        pipeline_group=devices.get_group("pipeline"),
        data_rank=devices.get_local_rank("data"),
        context_rank=devices.get_local_rank("context"),
        pipeline_rank=devices.get_local_rank("pipeline"),
        tensor_rank=devices.get_local_rank("tensor"),
    )
