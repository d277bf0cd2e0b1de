"""Launches rounds and decides at their gates, each with an audit row; `alignment.control` has the rest."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import transaction
from django.utils import timezone

from accounts.errors import Conflict, Invalid
from accounts.models import User
from accounts.services import audit_record
from alignment.advancing import stage_fail
from alignment.fencing import stage_seized, stage_write
from alignment.forecast.forecasting import forecast_keep, round_forecast
from alignment.launch_checks import launch_override, refuse_launch, trains_at_once
from alignment.messages import round_changed, rounds_advance_send
from alignment.models import GatePair, Round, Stage
from alignment.recipe import RoundRecipe
from alignment.rejection.recipe import BEST
from alignment.stages import STAGES
from alignment.stages.domain_policies import named_policy
from alignment.stages.judge import judge_config
from annotation.models import Project
from annotation.selectors import judgement_count
from annotation.selectors import prompts as project_prompts
from pretrain.encoders import encoder_for
from pretrain.run import ProgramError
from registry.models import Checkpoint, Deployment


def round_launch(
    project: Project,
    base: Checkpoint,
    recipe: RoundRecipe,
    launched_by: User | None,
    *,
    reason: str = "",
    fresh_from: str = "",
) -> Round:
    """Launch a round. Raises Invalid or Conflict, before any work starts, where it could not succeed.

    `reason` overrides what `alignment.launch_checks` finds, and is kept with what it overrode. From the stage
    `fresh_from` on the round takes nothing over from earlier ones.
    """
    refuse_what_cannot_succeed(project, base, recipe, number=next_number(project))
    forecast = round_forecast(project, base, recipe)
    overridden = refuse_launch(project, recipe, forecast, reason)
    with transaction.atomic():
        refuse_second_round(project)
        number = next_number(project)
        round_ = round_create(
            Round(
                project=project,
                number=number,
                base=base,
                recipe=recipe.model_dump(mode="json"),
                fresh_from=fresh_from,
                launched_by=launched_by,
            )
        )
        Project.objects.filter(pk=project.pk).update(current_round=number)
        forecast_keep(round_, forecast)
        told: dict[str, str | list[str]] = {"recipe": recipe.name, "base": base.name}
        if overridden:
            launch_override(round_, launched_by, reason, overridden, of_data=trains_at_once(recipe))
            told |= {"reason": reason.strip(), "overridden": overridden}
        audit_record(launched_by, "round.launch", round_, told)
        round_changed(round_.pk)
        transaction.on_commit(rounds_advance_send)
    return round_


def launch_check(project: Project, base: Checkpoint, recipe: RoundRecipe) -> None:
    """Raises Invalid where the project's next round could not succeed, whatever the reason to launch it."""
    refuse_what_cannot_succeed(project, base, recipe, number=next_number(project))


def next_number(project: Project) -> int:
    """The number of the project's next round."""
    last = project.rounds.order_by("-number").first()
    return max(project.current_round, last.number + 1 if last else 1)


def round_create(round_: Round) -> Round:
    """Save a new round with its stages, all pending."""
    round_.save()
    Stage.objects.bulk_create(
        Stage(round=round_, name=definition.name, position=position)
        for position, definition in enumerate(STAGES)
    )
    return round_


def refuse_what_cannot_succeed(
    project: Project, base: Checkpoint, recipe: RoundRecipe, *, number: int
) -> None:
    """Raises Invalid where a round `number` of the project could not succeed."""
    # Both raise where the judge is a deployment that is not there.
    judge_config(recipe.quality.judge, named_in="quality.judge")
    judge_config(recipe.gate.judge, named_in="gate.judge")
    for name in set(recipe.rejection.policies.values()) - {BEST}:
        named_policy(name)  # raises where it is not there
    _refuse_unusable_base(base)
    _refuse_missing_data(project, recipe, number)


def _refuse_unusable_base(base: Checkpoint) -> None:
    if base.kind != Checkpoint.Kind.BASE:
        raise Invalid(f"{base.name} is a {base.get_kind_display()}: a round starts from a base model.")
    try:
        encoder_for(Path(base.path))
    except ProgramError as error:
        raise Invalid(f"{base.name} cannot be a base: {error}") from error


def _refuse_missing_data(project: Project, recipe: RoundRecipe, number: int) -> None:
    if recipe.collect.num_comparisons <= judgement_count(project, number):
        return
    live = project.deployments.filter(state=Deployment.State.LIVE).values("checkpoint").distinct().count()
    if live < 2:
        raise Invalid(
            f"{project.name} needs two different live models to compare and has {live}: deploy them with "
            "`manage.py deploy_models`, or set collect.num_comparisons to 0 to train on what is there."
        )
    if not project_prompts(project, "train").exists():
        raise Invalid(
            f"{project.name} has no prompts to answer: import them with `manage.py import_prompts`."
        )


def refuse_second_round(project: Project) -> None:
    """Call it in a transaction. Raises Conflict where the project has a round under way."""
    Project.objects.select_for_update(no_key=True).get(pk=project.pk)
    under_way = project.rounds.filter(state__in=[Round.State.RUNNING, Round.State.PAUSED]).first()
    if under_way is not None:
        state = under_way.get_state_display().lower()
        raise Conflict(f"{project.name} has a {state} round: wait for it or cancel it.")


def gate_override(stage: Stage, actor: User, reason: str) -> None:
    """Train or deploy although the data gate, or the gate before deploying, is closed; the reason is kept."""
    if not reason.strip():
        raise Invalid("Give the reason for going on although the gate is closed.")
    with _waiting_gate(stage) as locked:
        override = {"by": actor.username, "reason": reason.strip()}
        stage_write(locked, result={**locked.result, "override": override})
        told = {"gate": locked.name, "reason": reason.strip(), "problems": locked.result.get("problems", [])}
        audit_record(actor, "gate.override", locked, told)
        transaction.on_commit(rounds_advance_send)


def gate_reject(stage: Stage, actor: User) -> None:
    """End the round at a closed gate: nothing is trained, or nothing deployed."""
    with _waiting_gate(stage) as locked:
        problems = locked.result["problems"] or ["An admin ended the round before all pairs were compared."]
        stage_fail(locked, " ".join(problems))
        audit_record(actor, "gate.reject", locked, {})


@contextmanager
def _waiting_gate(stage: Stage) -> Iterator[Stage]:
    """The gate, taken from whoever advances the round. Raises Conflict where it does not wait."""
    with stage_seized(stage.pk) as locked:
        waits = locked.name in Stage.GATES and locked.state == Stage.State.WAITING
        if not waits or locked.round.state != Round.State.RUNNING:
            raise Conflict("The gate is not waiting for a decision.")
        yield locked


def gate_pair_decide(pair: GatePair, actor: User, verdict: str) -> None:
    """Say which side of a pair is better. The first word counts: nobody's is written over.

    Raises Invalid for a verdict that is none, Conflict where the gate does not wait or the pair is decided.
    """
    if verdict not in GatePair.Verdict.values:
        raise Invalid("Choose left, right, or equally good.")
    with transaction.atomic():
        stage = Stage.objects.select_for_update().get(pk=pair.stage_id)
        if stage.state != Stage.State.WAITING:
            raise Conflict("The gate is not waiting for people any more.")
        decided = GatePair.objects.filter(pk=pair.pk, verdict="").update(
            verdict=verdict, decided_by=actor, decided_at=timezone.now()
        )
        if not decided:
            raise Conflict("Somebody has decided this pair already; theirs is kept.")
        audit_record(actor, "gate.compare", stage, {"pair": pair.number, "verdict": verdict})
        round_changed(stage.round_id)
        if not stage.pairs.filter(verdict="").exists():
            transaction.on_commit(rounds_advance_send)
