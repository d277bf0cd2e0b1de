"""Gate: the evaluation must speak for the new policy, or an admin override it with a reason.

Where the recipe lets people decide, the gate first waits until they have compared pairs of answers blind.
"""

import random

from alignment.fencing import stage_write, step_held
from alignment.gates import PROXY_NOTE, asked_of, gate_problems
from alignment.models import GatePair, Stage
from alignment.outside import rate_figures
from alignment.records import PromptRecord, SampledAnswer
from alignment.stages.definition import StageResult
from alignment.stages.evaluation import CANDIDATE, PROMPTS, answers_path
from alignment.stages.plan import recipe_of
from annotation.records import read_records


def start(stage: Stage) -> None:
    """Check once, or lay out the pairs for people to compare; the problems are kept."""
    recipe = recipe_of(stage.round).gate
    stage.result = {
        "decided_by": recipe.decided_by,
        "note": PROXY_NOTE if recipe.decided_by == "proxy" else "",
        "problems": [],
    }
    if recipe.decided_by == "people":
        _lay_out_pairs(stage)
    else:
        stage.result["problems"] = gate_problems(_evaluation(stage), recipe)


def poll(stage: Stage) -> bool:
    """Open where there are no problems or an admin overrode them; else wait for one."""
    if stage.result["decided_by"] == "people" and "override" not in stage.result:
        _count_pairs(stage)
        if stage.done < stage.total:
            stage.state = Stage.State.WAITING
            return False
        _conclude(stage)
    if not stage.result["problems"] or "override" in stage.result:
        return True
    stage.state = Stage.State.WAITING
    return False


def _evaluation(stage: Stage) -> StageResult:
    return dict(stage.round.stages.get(name=Stage.Name.EVALUATION).result)


def _lay_out_pairs(stage: Stage) -> None:
    """The candidate's first answers against the others', sides and order drawn at random."""
    recipe = recipe_of(stage.round).gate
    path = answers_path(stage.round.stages.get(name=Stage.Name.EVALUATION))
    answers = {
        (answer.policy, answer.prompt_id): answer.content
        for answer in read_records(path, SampledAnswer)
        if answer.sample == 0
    }
    prompts = [
        prompt
        for prompt in read_records(path.with_name(PROMPTS), PromptRecord)
        if (CANDIDATE, prompt.id) in answers
    ][: recipe.num_prompts]
    draw = random.Random(f"gate {stage.pk}")
    pairs = [
        GatePair(
            stage=stage,
            prompt_id=prompt.id,
            other=other,
            context=[message.model_dump() for message in prompt.context],
            candidate_answer=answers[CANDIDATE, prompt.id],
            other_answer=answers[other, prompt.id],
            candidate_left=draw.random() < 0.5,
            verdict=GatePair.Verdict.TIE
            if answers[CANDIDATE, prompt.id] == answers[other, prompt.id]
            else "",
        )
        for other in asked_of(recipe)
        for prompt in prompts
        if (other, prompt.id) in answers
    ]
    draw.shuffle(pairs)
    for number, pair in enumerate(pairs):
        pair.number = number
    # After a crash the pairs may be there already.
    with step_held(stage):
        GatePair.objects.bulk_create(pairs, ignore_conflicts=True)


def _count_pairs(stage: Stage) -> None:
    stage.total = stage.pairs.count()
    stage.done = stage.pairs.exclude(verdict="").count()
    stage.unit = "pairs"


def _conclude(stage: Stage) -> None:
    """Take people's win rates and check them, once. An override that comes meanwhile takes the step."""
    if "by_people" in stage.result:
        return
    by_people: StageResult = {}
    for other in stage.pairs.order_by().values_list("other", flat=True).distinct():
        pairs = stage.pairs.filter(other=other)
        by_people[other] = rate_figures(
            {
                pair.prompt_id: [(pair.outcome, float(len(pair.candidate_answer) - len(pair.other_answer)))]
                for pair in pairs
            }
        )
    problems = gate_problems(_evaluation(stage), recipe_of(stage.round).gate, by_people=by_people)
    stage_write(stage, result={**stage.result, "by_people": by_people, "problems": problems})
