"""Has the newest reward model say of open comparisons which answer is better, before people have.

Only in projects of adaptive overlap, where it decides how many people are asked
(`annotation.services.overlap`): who disagrees with it costs one judgement more, who agrees spares none below
the least. The program scores in batches on the sampling queue, and is queued, and taken back from dead
workers, as comparisons of models are. Annotators see nothing of it.
"""

import shutil
from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from alignment.model_comparing import model_comparisons_advance
from alignment.models import PredictionRun, Program, Round, Stage
from alignment.programs import PREDICTIONS, PredictConfig
from alignment.recipe import parse_recipe
from alignment.records import Prediction, ShownPair
from alignment.stages.plan import SAMPLING
from annotation.models import Comparison, OverlapMode, Project
from annotation.records import Message, read_records, write_records
from annotation.services.overlap import predictions_set
from pretrain.run import RunFolder
from registry.models import Checkpoint

MOST = 2_000
"""Comparisons of one run; the others come with the next."""
EVERY = timedelta(minutes=10)
"""From one run of a project to the next: each starts an engine."""
A_DAY = timedelta(days=1)
PAIRS = "comparisons.jsonl"
PROGRAM = "predictions"
State = Program.State
ENDED_BADLY = (State.FAILED, State.CANCELLED)


def predictions_plan() -> None:
    """The clock's slow tick: keep what finished runs found, and ask about comparisons that wait."""
    for run in PredictionRun.objects.filter(kept_at=None, program__state=State.FINISHED):
        predictions_keep(run)
    recent = PredictionRun.objects.filter(created_at__gt=timezone.now() - A_DAY)
    for run in recent.filter(kept_at=None, program__state__in=ENDED_BADLY):
        inputs_remove(run)
    for project in Project.objects.filter(overlap_mode=OverlapMode.ADAPTIVE):
        predictions_request(project)


def predictions_request(project: Project) -> PredictionRun | None:
    """Ask about the project's open comparisons; None where there is nothing to ask, or nobody to answer."""
    round_ = _scored_by(project)
    if round_ is None:
        return None
    checkpoint = Checkpoint.objects.get(
        pk=round_.stages.get(name=Stage.Name.REWARD_MODEL).result["checkpoints"]["average"]
    )
    with transaction.atomic():
        # Two clocks may tick at once.
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        recent = PredictionRun.objects.filter(project=project, created_at__gt=timezone.now() - EVERY)
        going = PredictionRun.objects.filter(project=project, kept_at=None).exclude(
            program__state__in=ENDED_BADLY
        )
        if recent.exists() or going.exists():
            return None
        pairs = _open_pairs(project)
        if not pairs:
            return None
        engine = parse_recipe(round_.recipe).engine
        program = Program.objects.create(
            name=PROGRAM,
            module="alignment.sampling.predicting",
            queue=SAMPLING,
            group=0,
            folder="",
            num_threads=engine.num_threads,
        )
        folder = settings.ACCORD_RUNS / project.slug / "predicted" / str(program.pk)
        write_records(folder / PAIRS, pairs)
        RunFolder(folder / PROGRAM).write_config(
            PredictConfig(
                reward_model=Path(checkpoint.path),
                comparisons=folder / PAIRS,
                temperature=_temperature(round_),
                engine=engine,
            )
        )
        Program.objects.filter(pk=program.pk).update(folder=str(folder / PROGRAM))
        run = PredictionRun.objects.create(
            project=project, reward_model=checkpoint, program=program, num_comparisons=len(pairs)
        )
        transaction.on_commit(model_comparisons_advance)
    return run


def predictions_keep(run: PredictionRun) -> None:
    """Give the finished run's predictions to the comparisons that are still open; its files go."""
    folder = Path(run.program.folder)
    with transaction.atomic():
        mine = PredictionRun.objects.filter(pk=run.pk, kept_at=None)
        if not mine.update(kept_at=timezone.now()):
            return
        found = read_records(folder / PREDICTIONS, Prediction)
        predictions_set(run.project, {each.id: each.left for each in found})
    shutil.rmtree(folder.parent, ignore_errors=True)


def inputs_remove(run: PredictionRun) -> None:
    """Remove the texts that a run was to read which failed or was cancelled; its log stays."""
    (Path(run.program.folder).parent / PAIRS).unlink(missing_ok=True)


def _scored_by(project: Project) -> Round | None:
    """The newest of the project's rounds that has a reward model."""
    stages = Stage.objects.filter(
        round__project=project, name=Stage.Name.REWARD_MODEL, state=Stage.State.FINISHED
    ).filter(result__checkpoints__has_key="average")
    newest = stages.select_related("round").order_by("-round__number", "-round__run").first()
    return None if newest is None else newest.round


def _temperature(round_: Round) -> float:
    """What calibrates the round's reward model, where its evaluation has found that."""
    evaluation = round_.stages.filter(name=Stage.Name.EVALUATION).values_list("result", flat=True).first()
    calibration = (evaluation or {}).get("calibration") or {}
    return float(calibration.get("temperature") or 1.0)


def _open_pairs(project: Project) -> list[ShownPair]:
    waiting = Comparison.objects.filter(
        project=project, state=Comparison.State.OPEN, predicted=None, too_long=False, erased_at=None
    ).select_related("left", "right")
    return [
        ShownPair(
            id=comparison.pk,
            context=tuple(Message.model_validate(message) for message in comparison.context),
            left=comparison.left.content,
            right=comparison.right.content,
            tool_calls=comparison.tool_calls,
        )
        for comparison in waiting.order_by("pk")[:MOST]
    ]
