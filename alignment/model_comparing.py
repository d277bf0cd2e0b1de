"""Comparisons of models that no round made: asked for, queued, taken back when a worker vanishes.

Both models answer the same held-out prompts and a reward model scores the answers, by the program that
evaluates rounds. What a round's own evaluation compared already needs none of this: see `compared_answers`.
"""

from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from accounts.errors import Conflict, Invalid
from accounts.models import User
from accounts.services import audit_record
from alignment.messages import program_run_send
from alignment.models import ModelComparison, Program, Round
from alignment.programs import EvaluationConfig
from alignment.recipe import parse_recipe, small
from alignment.records import PromptRecord
from alignment.stages.plan import SAMPLING
from alignment.stages.snapshot import HOLDOUT_PROMPTS
from annotation.models import Project
from annotation.records import read_records, write_records
from annotation.selectors import prompts as project_prompts
from pretrain.run import RunFolder
from registry.models import Checkpoint

FIRST, SECOND = "first", "second"
ANSWERS, PROMPTS = "answers.jsonl", "prompts.jsonl"
PROGRAM = "answers"
MAX_PROMPTS = 2_000
MAX_LOST = 3
RESEND_AFTER = timedelta(seconds=30)
State = Program.State


def model_comparison_request(
    first: Checkpoint,
    second: Checkpoint,
    *,
    project: Project,
    reward_model: Checkpoint,
    num_prompts: int,
    actor: User | None,
) -> ModelComparison:
    """Have both models answer the project's held-out prompts. Asked for again, the same one is meant.

    One that failed is run again. Raises Invalid where it could not succeed.
    """
    _refuse_unusable(first, second, reward_model, num_prompts)
    prompts = held_out_prompts(project)[:num_prompts]
    if not prompts:
        raise Invalid(f"{project.name} has no held-out prompts to answer: import some, or launch a round.")
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        present = ModelComparison.objects.filter(
            first=first, second=second, reward_model=reward_model, project=project, num_prompts=num_prompts
        ).select_related("program")
        found = present.first()
        if found is not None and found.program.state not in (State.FAILED, State.CANCELLED):
            return found
        program = Program.objects.create(
            name=PROGRAM,
            module="alignment.sampling.evaluation",
            queue=SAMPLING,
            group=0,
            folder="",
            num_threads=1,
        )
        folder = settings.ACCORD_RUNS / project.slug / "compared" / str(program.pk)
        config = _config(project, first, second, reward_model, folder)
        write_records(folder / PROMPTS, prompts)
        RunFolder(folder / PROGRAM).write_config(config)
        Program.objects.filter(pk=program.pk).update(
            folder=str(folder / PROGRAM), num_threads=config.engine.num_threads
        )
        if found is not None:
            found.program.delete()
        comparison = ModelComparison.objects.create(
            first=first,
            second=second,
            reward_model=reward_model,
            project=project,
            num_prompts=num_prompts,
            program=program,
            requested_by=actor,
        )
        told = {"first": first.name, "second": second.name, "prompts": len(prompts)}
        audit_record(actor, "models.compare", comparison, told)
        transaction.on_commit(model_comparisons_advance)
    program.refresh_from_db()
    return comparison


def model_comparison_cancel(comparison: ModelComparison, *, actor: User) -> None:
    """Stop it; its worker kills the program. Raises Conflict where it has ended."""
    with transaction.atomic():
        active = (State.PENDING, State.QUEUED, State.RUNNING)
        program = Program.objects.filter(pk=comparison.program_id, state__in=active)
        if not program.update(state=State.CANCELLED):
            raise Conflict("The comparison has ended: there is nothing to cancel.")
        audit_record(actor, "models.compare.cancel", comparison, {})


def model_comparisons_advance() -> None:
    """Queue what waits, ask again where a message was lost, take back what a dead worker held.

    All programs of no round: those of predictions as well.
    """
    now = timezone.now()
    programs = Program.objects.filter(stage=None)
    lost = Q(state=State.RUNNING, lease_expires_at__lt=now)
    programs.filter(lost, num_lost__gte=MAX_LOST - 1).update(
        state=State.FAILED, finished_at=now, error=f"Its worker vanished {MAX_LOST} times."
    )
    free = Q(lease_expires_at__isnull=True) | Q(lease_expires_at__lt=now)
    waiting = Q(free, state=State.PENDING) | Q(state=State.QUEUED, started_at__lt=now - RESEND_AFTER) | lost
    for program in programs.filter(waiting):
        # The messages of earlier attempts are void from here on.
        attempt = program.attempt + 1
        queued = Program.objects.filter(pk=program.pk, state=program.state, attempt=program.attempt).update(
            state=State.QUEUED,
            attempt=attempt,
            num_lost=F("num_lost") + int(program.state == State.RUNNING),
            started_at=now,
            lease_expires_at=None,
            pid=None,
        )
        if queued:
            program_run_send(program.pk, attempt, program.queue)


def held_out_prompts(project: Project) -> list[PromptRecord]:
    """The prompts that the project's newest snapshot kept back, else those imported as held out."""
    newest = Round.objects.filter(project=project, snapshot__isnull=False).select_related("snapshot")
    round_ = newest.order_by("-number", "-pk").first()
    if round_ is not None and (path := Path(round_.snapshot.folder) / HOLDOUT_PROMPTS).exists():
        return list(read_records(path, PromptRecord))
    return [
        PromptRecord(
            id=prompt.external_id,
            domain=prompt.domain,
            language=prompt.language,
            context=tuple(prompt.context),
        )
        for prompt in project_prompts(project, "holdout")
    ]


def _refuse_unusable(
    first: Checkpoint, second: Checkpoint, reward_model: Checkpoint, num_prompts: int
) -> None:
    if first.pk == second.pk:
        raise Invalid("Choose two different models.")
    for model in (first, second):
        if model.kind == Checkpoint.Kind.REWARD_MODEL:
            raise Invalid(f"{model.name} is a reward model and answers nothing: choose a policy.")
    if reward_model.kind != Checkpoint.Kind.REWARD_MODEL:
        raise Invalid(f"{reward_model.name} is no reward model: choose one to score the answers.")
    if not 1 <= num_prompts <= MAX_PROMPTS:
        raise Invalid(f"Choose from 1 to {MAX_PROMPTS:,} prompts.")


def _config(
    project: Project, first: Checkpoint, second: Checkpoint, reward_model: Checkpoint, folder: Path
) -> EvaluationConfig:
    """The program's configuration, sampling as the project's newest round evaluates."""
    newest = Round.objects.filter(project=project).order_by("-number", "-pk").first()
    recipe = small() if newest is None else parse_recipe(newest.recipe)
    return EvaluationConfig(
        policies={FIRST: Path(first.path), SECOND: Path(second.path)},
        reward_model=Path(reward_model.path),
        prompts=folder / PROMPTS,
        samples_per_prompt=recipe.evaluation.samples_per_prompt,
        sampling=recipe.evaluation.sampling,
        engine=recipe.engine,
        answers=folder / ANSWERS,
    )
