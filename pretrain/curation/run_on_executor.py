"""`python -m pretrain.curation.run_on_executor run.json`: a step of curation on many cores or machines.

Comes in: a step's configuration, in how many tasks to share it, and one of datatrove's executors: local
processes, a Slurm cluster, a Ray cluster. Goes out: what the step writes, and the sums of its tasks. Each
pass of the step is a run of the executor over all tasks; every task has a run folder below `tasks/PASS`.
Killed and started again, it goes on with the shards that are not done; a Slurm job that still waits or runs
is waited for.
"""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

from datatrove.executor import LocalPipelineExecutor, RayPipelineExecutor, SlurmPipelineExecutor
from datatrove.executor.base import PipelineExecutor
from pydantic import Field, ValidationError

from pretrain.curation.executor_task import CurationTask, config_type, task_folder
from pretrain.curation.steps import Pass
from pretrain.failures import ProgramError
from pretrain.parent import children_end_with_me
from pretrain.run import ProgramConfig, RunFolder, program_main, write_atomically

POLL_SECONDS = 0.5
GONE_POLLS = 20
"""So often in a row a job may be missing in the queue while results are missing: shared disks lag."""
JOB = "slurm-job"


class LocalExecutor(ProgramConfig):
    """Processes of this machine."""

    kind: Literal["local"]
    workers: int = Field(ge=1)
    """Tasks at a time."""


class SlurmExecutor(ProgramConfig):
    """A job array on a Slurm cluster whose machines see the folders under the same paths."""

    kind: Literal["slurm"]
    partition: str
    time: str
    """Of a task, as sbatch takes it: `04:00:00`."""
    workers: int = Field(default=-1, ge=-1)
    """Tasks at a time; -1: as many as the cluster gives."""
    cpus_per_task: int = Field(default=1, ge=1)
    mem_per_cpu_gb: int = Field(default=2, ge=1)
    qos: str = ""
    env_command: str = ""
    """What a job's shell runs first, such as `source /shared/venv/bin/activate`. None: the path of the Python
    that runs this program."""
    sbatch_args: dict[str, str] = Field(default_factory=dict)


class RayExecutor(ProgramConfig):
    """A Ray cluster, which RAY_ADDRESS names; `pip install ray` on all its machines."""

    kind: Literal["ray"]
    workers: int = Field(default=-1, ge=-1)
    cpus_per_task: int = Field(default=1, ge=1)
    mem_per_cpu_gb: float = Field(default=2, gt=0)


Executor = Annotated[LocalExecutor | SlurmExecutor | RayExecutor, Field(discriminator="kind")]


class RunOnExecutorConfig(ProgramConfig):
    """Result: the step's own, summed over its tasks."""

    step: Literal[
        "run_pages", "deduplicate_urls", "sift", "deduplicate_documents", "deduplicate_lines", "downsample"
    ]
    config: dict[str, Any]  # Any: JSON
    """The step's `run.json`, without `task`, `num_tasks`, `index` and `only`."""
    num_tasks: int = Field(ge=1)
    """More tasks than there are shards have nothing to do."""
    executor: Executor


def run(config: RunOnExecutorConfig, folder: RunFolder) -> None:
    """Run all passes. Raises ProgramError with the sentence of the first task that failed."""
    check(config)
    program = import_module(f"pretrain.curation.{config.step}")
    passes: tuple[Pass, ...] = program.PASSES
    for name in passes:
        run_pass(config, name, is_last=name == passes[-1], folder=folder)
    results = results_of(tasks_of(folder, passes[-1]), config.num_tasks)
    folder.finish(sum_of([result for result in results if result is not None]))


def check(config: RunOnExecutorConfig) -> None:
    """Raises ProgramError where the step would refuse its configuration."""
    told = {"task", "num_tasks", "index", "only"} & config.config.keys()
    if told:
        raise ProgramError(f"config has {sorted(told)[0]}, which this program sets itself: leave it out.")
    try:
        config_type(import_module(f"pretrain.curation.{config.step}")).model_validate(config.config)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, ("config", *first["loc"])))
        raise ProgramError(f"{where}: {first['msg']}") from error


def run_pass(config: RunOnExecutorConfig, name: Pass, *, is_last: bool, folder: RunFolder) -> None:
    """All tasks of one pass; `choose` is one task, since it looks at what was found of all shards."""
    num_tasks = 1 if name == "choose" else config.num_tasks
    tasks = tasks_of(folder, name)
    told = dict(config.config)
    if not is_last:
        told |= {"only": name}
    if len(import_module(f"pretrain.curation.{config.step}").PASSES) > 1:
        told |= {"index": str(folder.path / "index")}
    step = CurationTask(config.step, told, tasks, on_one_machine=config.executor.kind == "local")
    if not is_waiting(folder.path / "datatrove" / name):
        forget_results(tasks, num_tasks)
    with following(tasks, num_tasks, name, folder):
        execute(config.executor, step, num_tasks, folder, name)
    missing = [place for place, result in enumerate(results_of(tasks, num_tasks)) if result is None]
    if missing:
        raise ProgramError(why_failed(tasks, missing, name, folder.path / "datatrove" / name))


def execute(
    executor: LocalExecutor | SlurmExecutor | RayExecutor,
    step: CurationTask,
    num_tasks: int,
    folder: RunFolder,
    name: str,
) -> None:
    """Run the tasks to their end; whether they came to one is seen from their folders."""
    logs = folder.path / "datatrove" / name
    match executor:
        case LocalExecutor():
            children_end_with_me()
            quietly(
                LocalPipelineExecutor(
                    [step],
                    tasks=num_tasks,
                    workers=min(executor.workers, num_tasks),
                    logging_dir=str(logs),
                    skip_completed=False,
                )
            )
        case RayExecutor():
            os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # Ray would report its use to its makers
            quietly(
                RayPipelineExecutor(
                    [step],
                    tasks=num_tasks,
                    workers=executor.workers,
                    cpus_per_task=executor.cpus_per_task,
                    mem_per_cpu_gb=executor.mem_per_cpu_gb,
                    logging_dir=str(logs),
                    skip_completed=False,
                )
            )
        case SlurmExecutor():
            submit_and_wait(executor, step, num_tasks, logs)


def quietly(executor: PipelineExecutor) -> None:
    """Run; a task's error is told from its folder."""
    try:
        executor.run()
    except Exception as error:  # noqa: BLE001  # whatever a task raised: its folder has the sentence
        sys.stderr.write(f"{type(error).__name__}: {error}\n")


def submit_and_wait(executor: SlurmExecutor, step: CurationTask, num_tasks: int, logs: Path) -> None:
    """Submit the tasks, unless their job is in the queue already, and wait for its end."""
    if shutil.which("sbatch") is None:
        raise ProgramError("There is no sbatch here: start this where Slurm's commands are, or choose local.")
    job_path = logs / JOB
    if not is_waiting(logs):
        own = SlurmPipelineExecutor(
            [step],
            tasks=num_tasks,
            time=executor.time,
            partition=executor.partition,
            workers=executor.workers,
            cpus_per_task=executor.cpus_per_task,
            mem_per_cpu_gb=executor.mem_per_cpu_gb,
            qos=executor.qos,
            env_command=executor.env_command or f'export PATH="{Path(sys.executable).parent}:$PATH"',
            sbatch_args=executor.sbatch_args,
            job_name=f"accord-{step.step}",
            logging_dir=str(logs),
            skip_completed=False,
        )
        try:
            own.run()
        except (RuntimeError, ValueError, subprocess.CalledProcessError) as error:
            raise ProgramError(f"Slurm did not take the job: {error}") from error
        write_atomically(job_path, str(own.job_id))
    job, num_gone = job_path.read_text(), 0
    while any(result is None for result in results_of(step.tasks, num_tasks)) and num_gone < GONE_POLLS:
        time.sleep(POLL_SECONDS)
        num_gone = 0 if in_queue(job) else num_gone + 1


def is_waiting(logs: Path) -> bool:
    """Whether a job of an earlier start of this program is still in Slurm's queue."""
    job_path = logs / JOB
    return job_path.exists() and shutil.which("squeue") is not None and in_queue(job_path.read_text())


def in_queue(job: str) -> bool:
    """Whether a job waits or runs."""
    asked = ["squeue", "--noheader", "--jobs", job, "--format", "%i"]
    told = subprocess.run(asked, capture_output=True, text=True)
    if told.returncode and "Invalid job id" not in told.stderr:
        return True  # Slurm does not answer: it is asked again
    return bool(told.stdout.strip())


def tasks_of(folder: RunFolder, name: str) -> Path:
    """Where the run folders of a pass's tasks lie."""
    return folder.path / "tasks" / name


def forget_results(tasks: Path, num_tasks: int) -> None:
    """Results of an earlier run are none of this one's: a task whose shards are done is quick to see it."""
    for place in range(num_tasks):
        own = task_folder(tasks, place)
        own.error_path.unlink(missing_ok=True)
        own.result_path.unlink(missing_ok=True)


def results_of(tasks: Path, num_tasks: int) -> list[dict[str, Any] | None]:  # Any: JSON
    """Each task's result, None where there is none."""
    return [task_folder(tasks, place).read_result() for place in range(num_tasks)]


def why_failed(tasks: Path, missing: list[int], name: str, logs: Path) -> str:
    """The sentence of the first task that left one."""
    for place in missing:
        sentence = task_folder(tasks, place).read_error()
        if sentence is not None:
            return sentence
    return (
        f"Task {missing[0]} of the pass {name!r} ended without a result, as a process that was killed does: "
        f"look at the logs in {logs}, give it more memory or time, and start this again."
    )


@contextmanager
def following(tasks: Path, num_tasks: int, name: str, folder: RunFolder) -> Iterator[None]:
    """Tell how far the tasks are, until the block ends."""
    over = threading.Event()

    def tell() -> None:
        before = -1
        while not over.wait(POLL_SECONDS):
            done = sum(task_folder(tasks, place).result_path.exists() for place in range(num_tasks))
            if done != before:
                folder.progress(done, num_tasks, f"tasks of the pass {name}")
            before = done

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()


def sum_of(results: list[dict[str, Any]]) -> dict[str, Any]:  # Any: JSON
    """Numbers are added up, also those in tables; of anything else the first stands for all."""
    summed: dict[str, Any] = {}
    for result in results:
        for name, value in result.items():
            if isinstance(value, dict) and all(isinstance(each, int | float) for each in value.values()):
                summed[name] = dict(sorted((Counter(summed.get(name, {})) + Counter(value)).items()))
            elif isinstance(value, int | float):
                summed[name] = summed.get(name, 0) + value
            else:
                summed.setdefault(name, value)
    return summed


if __name__ == "__main__":
    program_main(RunOnExecutorConfig, run)
