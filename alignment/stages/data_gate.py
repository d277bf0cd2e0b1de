"""Data gate: training begins once the judgements are good and many enough, or an admin says why it may.

While it waits, the deployed models answer more prompts, so that people can judge what is missing.
"""

from datetime import datetime, timedelta

from django.utils import timezone

from alignment.data_gate.checks import data_checks, judgements_missing, problems
from alignment.data_gate.measuring import data_figures
from alignment.fencing import stage_write
from alignment.messages import pairs_generate_send
from alignment.models import Stage
from alignment.stages.collect import comparisons_missing
from alignment.stages.plan import recipe_of
from annotation.figures.quality import judgements_stamp
from annotation.selectors import judgement_count
from registry.models import Deployment

MEASURE_AGAIN = timedelta(seconds=60)
"""Also without a new judgement: prompts and checks change, and a message may be lost."""


def start(stage: Stage) -> None:
    """Begin with nothing measured; an override given before is kept."""
    stage.result = {name: stage.result[name] for name in ("override",) if name in stage.result}


def poll(stage: Stage) -> bool:
    """Measure where there is something new; open where nothing is missing or an admin overrode it."""
    if _is_out_of_date(stage):
        _measure(stage)
    if not stage.result["problems"] or "override" in stage.result:
        return True
    stage.state = Stage.State.WAITING
    if _more_would_help(stage):
        pairs_generate_send(stage.pk)
    return False


def more_is_no_use(stage: Stage, sentence: str) -> None:
    """No more comparisons can be made; they are asked for again when there is another judgement."""
    stage_write(stage, result={**stage.result, "no_more": sentence})


def _more_would_help(stage: Stage) -> bool:
    if not stage.result["judgements_missing"] or stage.result["no_more"]:
        return False
    live = stage.round.project.deployments.filter(state=Deployment.State.LIVE)
    if live.values("checkpoint").distinct().count() < 2:
        return False
    return comparisons_missing(stage) > 0


def _is_out_of_date(stage: Stage) -> bool:
    if "measured_at" not in stage.result:
        return True
    if stage.result["stamp"] != str(judgements_stamp(stage.round.project)):
        return True
    return timezone.now() - datetime.fromisoformat(stage.result["measured_at"]) > MEASURE_AGAIN


def _measure(stage: Stage) -> None:
    """Keep what there is now and what is missing."""
    recipe, project = recipe_of(stage.round), stage.round.project
    stamp = judgements_stamp(project)
    figures = data_figures(project, recipe.snapshot)
    least = recipe.snapshot.min_judgements
    checks = data_checks(figures, recipe.data_gate, min_judgements=least)
    missing = judgements_missing(figures, recipe.data_gate, min_judgements=least)
    found = {
        "stamp": str(stamp),
        "measured_at": timezone.now().isoformat(),
        "figures": figures.model_dump(mode="json"),
        "checks": [check.model_dump(mode="json") for check in checks],
        "problems": problems(checks),
        "judgements_missing": missing,
        "judgements_wanted": judgement_count(project, stage.round.number) + missing,
        "no_more": stage.result.get("no_more", "") if stage.result.get("stamp") == str(stamp) else "",
    }
    # An override that comes meanwhile takes the step.
    stage_write(stage, result={**stage.result, **found})
    stage.done, stage.total = min(figures.num_strong, least), least
    stage.unit = "strong judgements"
