"""Collect: the deployed models answer, people judge, until the round has the judgements it asks for."""

from alignment.messages import pairs_generate_send
from alignment.models import Stage
from alignment.stages.definition import StageResult
from alignment.stages.plan import recipe_of
from annotation.selectors import judgement_count, open_comparison_count


def start(stage: Stage) -> None:
    """Say what is waited for."""
    stage.total = recipe_of(stage.round).collect.num_comparisons
    stage.unit = "judgements"


def poll(stage: Stage) -> bool:
    """Count the judgements, and have more pairs made where people would run out of them."""
    if stage.total == 0:
        return True
    stage.done = min(judgement_count(stage.round.project, stage.round.number), stage.total)
    if stage.done >= stage.total:
        return True
    stage.state = Stage.State.WAITING
    if comparisons_missing(stage) > 0:
        pairs_generate_send(stage.pk)
    return False


def comparisons_missing(stage: Stage) -> int:
    """How many comparisons must still be made so that the judgements asked for can be reached."""
    project = stage.round.project
    judged = judgement_count(project, stage.round.number)
    # The data gate, which waits for more, says how many in its result.
    wanted = stage.result.get("judgements_wanted", stage.total)
    to_judge = -(-(wanted - judged) // project.overlap)
    return to_judge - open_comparison_count(project, stage.round.number)


def finish(stage: Stage) -> StageResult:
    """The number of judgements the round begins with."""
    return {"judgements": judgement_count(stage.round.project, stage.round.number)}
