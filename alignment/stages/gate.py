"""Gate: the evaluation must speak for the new policy, or an admin override it with a reason."""

from alignment.gates import gate_problems
from alignment.models import Stage
from alignment.stages.plan import recipe_of


def start(stage: Stage) -> None:
    """Check once; the problems are kept."""
    evaluation = stage.round.stages.get(name=Stage.Name.EVALUATION).result
    stage.result = {"problems": gate_problems(evaluation, recipe_of(stage.round).gate)}


def poll(stage: Stage) -> bool:
    """Open where there are no problems or an admin overrode them; else wait for one."""
    if not stage.result["problems"] or "override" in stage.result:
        return True
    stage.state = Stage.State.WAITING
    return False
