"""What a stage is to the one who advances rounds: three functions over its row."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from alignment.models import Program, Stage

StageResult = dict[str, Any]  # Any: each stage has its own result, stored as JSON


def programs_ended(stage: Stage) -> bool:
    """Whether every program of the stage has finished: the poll of stages made of programs."""
    return not stage.programs.exclude(state=Program.State.FINISHED).exists()


def nothing_more(stage: Stage) -> StageResult:
    """The finish of stages that did all of their work at the start."""
    return dict(stage.result)


@dataclass(frozen=True, kw_only=True)
class StageDefinition:
    """One stage. Each function may be called again after a crash and must then do no harm."""

    name: Stage.Name
    start: Callable[[Stage], None]
    """Write the inputs, make the rows of the programs. Raises AccordError for what a user can mend."""
    poll: Callable[[Stage], bool] = programs_ended
    """Whether the stage has done its work. May set the stage's state to waiting, and its progress."""
    finish: Callable[[Stage], StageResult] = nothing_more
    """Register what came out; the returned value becomes the stage's result."""
