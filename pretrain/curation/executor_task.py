"""One task of a step of curation, as datatrove's executors run it: a run folder of its own for each."""

from importlib import import_module
from pathlib import Path
from typing import Any

from datatrove.pipeline.base import PipelineStep

from pretrain.failures import explain
from pretrain.parent import end_with_parent
from pretrain.run import RunFolder


def task_folder(tasks: Path, task: int) -> RunFolder:
    """The run folder of a task."""
    return RunFolder(tasks / f"{task:05d}")


class CurationTask(PipelineStep):
    """Runs the program of a step on the shards of its task: documents stay in files, none are piped."""

    name = "Accord's curation"
    type = "step"

    def __init__(self, step: str, config: dict[str, Any], tasks: Path, *, on_one_machine: bool) -> None:
        """`config` is the step's `run.json` but for `task` and `num_tasks`; `tasks` holds the run folders."""
        super().__init__()
        self.step = step
        self.config = config
        self.tasks = tasks
        self.on_one_machine = on_one_machine

    def run(self, data: None = None, rank: int = 0, world_size: int = 1) -> None:
        """Do the task, unless it is done. Raises what the step raises, after it is written down."""
        if self.on_one_machine:
            end_with_parent()
        program = import_module(f"pretrain.curation.{self.step}")
        folder = task_folder(self.tasks, rank)
        config = config_type(program).model_validate(self.config | {"task": rank, "num_tasks": world_size})
        folder.error_path.unlink(missing_ok=True)
        folder.write_config(config)
        try:
            program.run(config, folder)
        except Exception as error:
            failure = explain(error)
            folder.fail(failure.sentence, may_pass=failure.may_pass)
            raise


def config_type(program: Any) -> Any:  # Any: a module, and what its `run` takes
    """The configuration of a step's program."""
    return program.run.__annotations__["config"]
