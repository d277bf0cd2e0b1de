"""Gate: the evaluation must speak for the new policy, or an admin override it with a reason."""

from alignment.gates import PROXY_NOTE, gate_problems
from alignment.models import Stage
from alignment.stages.plan import recipe_of


def start(stage: Stage) -> None:
    """Check once; the problems are kept."""
    evaluation = stage.round.stages.get(name=Stage.Name.EVALUATION).result
    recipe = recipe_of(stage.round).gate
    stage.result = {
        "decided_by": recipe.decided_by,
        "note": PROXY_NOTE if recipe.decided_by == "proxy" else "",
        "problems": gate_problems(evaluation, recipe),
    }


def poll(stage: Stage) -> bool:
    """Open where there are no problems or an admin overrode them; else wait for one."""
    if not stage.result["problems"] or "override" in stage.result:
        return True
    stage.state = Stage.State.WAITING
    return False
