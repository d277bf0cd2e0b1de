"""Files that start a training on many machines: torchrun, Slurm, Kubernetes. Pure text.

Comes in: a TrainingPlan. Goes out: for each mesh it uses one file of each kind. They start
`python -m pretrain.parallel.train run.json`, whose `run.json` (docs/parallel.md) names corpus and tokenizer;
its plan must be the mesh in the file's name.
"""

from pathlib import Path

from pretrain.parallel.plan import ParallelPlan
from pretrain.presets import TrainingPlan
from pretrain.run import write_atomically

PORT = 29500


def write_launch_files(plan: TrainingPlan, folder: Path) -> list[Path]:
    """Write all of them into `folder`; the paths written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for mesh in dict.fromkeys(stage.mesh for stage in plan.stages):
        stem = f"{plan.name}-tp{mesh.tensor}-cp{mesh.context}-pp{mesh.pipeline}-dp{mesh.data}"
        for ending, text in (
            ("sh", torchrun_text(plan, mesh)),
            ("sbatch", slurm_text(plan, mesh)),
            ("yaml", kubernetes_text(plan, mesh)),
        ):
            path = folder / f"{stem}.{ending}"
            write_atomically(path, text)
            written.append(path)
    return written


def machines(plan: TrainingPlan, mesh: ParallelPlan) -> tuple[int, int]:
    """Machines, and processes on each. A mesh smaller than a machine has one."""
    per_machine = min(plan.devices_per_machine, mesh.num_processes)
    return -(-mesh.num_processes // per_machine), per_machine


def torchrun_text(plan: TrainingPlan, mesh: ParallelPlan) -> str:
    """A script to start on each machine."""
    num_machines, per_machine = machines(plan, mesh)
    return f"""#!/bin/sh
# {plan.name} on {mesh.describe()}: start this on each of {num_machines} machines, with a folder that all see.
# FIRST is the name of one of them; RUN the run.json.
set -eu
exec python -m torch.distributed.run \\
  --nnodes {num_machines} --nproc-per-node {per_machine} \\
  --rdzv-backend c10d --rdzv-endpoint "$FIRST:{PORT}" --rdzv-id {plan.name} \\
  -m pretrain.parallel.train "$RUN"
"""


def slurm_text(plan: TrainingPlan, mesh: ParallelPlan) -> str:
    """A job for sbatch. It is queued again when a machine is lost, and goes on from the newest checkpoint."""
    num_machines, per_machine = machines(plan, mesh)
    gpus = f"#SBATCH --gpus-per-node={per_machine}\n" if plan.device_gib is not None else ""
    return f"""#!/bin/sh
# {plan.name} on {mesh.describe()}: RUN=/shared/run.json sbatch THIS_FILE
#SBATCH --job-name={plan.name}
#SBATCH --nodes={num_machines}
#SBATCH --ntasks-per-node=1
{gpus}#SBATCH --exclusive
#SBATCH --requeue
#SBATCH --signal=TERM@300
set -eu
FIRST=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
exec srun python -m torch.distributed.run \\
  --nnodes {num_machines} --nproc-per-node {per_machine} \\
  --rdzv-backend c10d --rdzv-endpoint "$FIRST:{PORT}" --rdzv-id "$SLURM_JOB_ID" \\
  -m pretrain.parallel.train "$RUN"
"""


def kubernetes_text(plan: TrainingPlan, mesh: ParallelPlan) -> str:
    """An indexed Job and the headless Service by which its pods find the first one."""
    num_machines, per_machine = machines(plan, mesh)
    name = f"accord-{plan.name}"
    limits = (
        f"""          resources:
            limits:
              nvidia.com/gpu: {per_machine}
"""
        if plan.device_gib is not None
        else ""
    )
    return f"""# {plan.name} on {mesh.describe()}.
# IMAGE holds Accord; the claim "runs" is a volume that all pods see.
apiVersion: v1
kind: Service
metadata:
  name: {name}
spec:
  clusterIP: None
  selector:
    job-name: {name}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
spec:
  completionMode: Indexed
  completions: {num_machines}
  parallelism: {num_machines}
  backoffLimit: {10 * num_machines}
  template:
    spec:
      subdomain: {name}
      restartPolicy: OnFailure
      terminationGracePeriodSeconds: 300
      containers:
        - name: training
          image: IMAGE
          command: [python, -m, torch.distributed.run]
          args:
            - --nnodes={num_machines}
            - --nproc-per-node={per_machine}
            - --rdzv-backend=c10d
            - --rdzv-endpoint={name}-0.{name}:{PORT}
            - --rdzv-id={name}
            - -m
            - pretrain.parallel.train
            - /runs/run.json
{limits}          volumeMounts:
            - name: runs
              mountPath: /runs
            - name: memory
              mountPath: /dev/shm
      volumes:
        - name: runs
          persistentVolumeClaim:
            claimName: runs
        - name: memory
          emptyDir:
            medium: Memory
"""
