"""What admins do with a round that is there: pause, resume, cancel, retry, run again.

Each takes the round's stages from whoever is about to advance them (`alignment.fencing`), changes the rows in
one transaction with its audit row, and leaves the rest to `alignment.advancing`.
"""

from django.db import transaction
from django.utils import timezone

from accounts.errors import Conflict, Invalid
from accounts.models import User
from accounts.services import audit_record
from alignment.advancing import programs_cancel, programs_stop
from alignment.fencing import round_locked, round_seize
from alignment.forecast.forecasting import forecast_keep
from alignment.launch_checks import launch_override, refuse_rerun
from alignment.messages import round_changed, rounds_advance_send
from alignment.models import Program, Round, Stage
from alignment.planned import planned_round
from alignment.recipe import RecipeError, RoundRecipe
from alignment.services import refuse_second_round, refuse_what_cannot_succeed, round_create
from alignment.stages.plan import recipe_of

State = Round.State
ENDED_EARLY = (Stage.State.FAILED, Stage.State.CANCELLED)


def round_pause(round_: Round, actor: User | None) -> None:
    """Have the round's programs checkpoint and stop; nothing begins until it is resumed."""
    with transaction.atomic():
        locked = _round_in(round_, State.RUNNING)
        Round.objects.filter(pk=locked.pk).update(state=State.PAUSED)
        programs_stop(Program.objects.filter(stage__round=locked))
        audit_record(actor, "round.pause", locked, {})


def round_resume(round_: Round, actor: User | None) -> None:
    """Go on with a paused round where it stopped."""
    with transaction.atomic():
        locked = _round_in(round_, State.PAUSED)
        Round.objects.filter(pk=locked.pk).update(state=State.RUNNING)
        audit_record(actor, "round.resume", locked, {})
        transaction.on_commit(rounds_advance_send)


def round_cancel(round_: Round, actor: User | None) -> None:
    """Stop a round; its programs are ended by the workers that run them. It can be retried."""
    now = timezone.now()
    with transaction.atomic():
        locked = _round_in(round_, State.RUNNING, State.PAUSED)
        Round.objects.filter(pk=locked.pk).update(state=State.CANCELLED, finished_at=now)
        begun = locked.stages.filter(state__in=[Stage.State.RUNNING, Stage.State.WAITING])
        begun.update(state=Stage.State.CANCELLED, finished_at=now)
        programs_cancel(Program.objects.filter(stage__round=locked))
        audit_record(actor, "round.cancel", locked, {})


def round_retry(round_: Round, actor: User | None) -> None:
    """Go on with a failed or cancelled round: its stage begins again, with what of it had finished."""
    with transaction.atomic():
        locked = _round_in(round_, State.FAILED, State.CANCELLED)
        refuse_second_round(locked.project)
        stages = locked.stages.filter(state__in=ENDED_EARLY)
        errors = {stage.name: stage.error for stage in stages}
        stages.update(state=Stage.State.PENDING, error="", finished_at=None)
        Round.objects.filter(pk=locked.pk).update(state=State.RUNNING, finished_at=None)
        audit_record(actor, "round.retry", locked, errors)
        transaction.on_commit(rounds_advance_send)


def stage_retry(stage: Stage, actor: User | None) -> None:
    """Run a failed stage again, and go on with the round from there."""
    stage.refresh_from_db(fields=["state"])
    if stage.state not in ENDED_EARLY:
        raise Conflict(f"{stage} has not failed: there is nothing to retry.")
    round_retry(stage.round, actor)


def round_rerun(
    round_: Round,
    actor: User | None,
    *,
    recipe: RoundRecipe | None = None,
    from_stage: str = "",
    reason: str = "",
) -> Round:
    """Run a round again over the judgements of its number, by another recipe or from a stage on anew.

    What neither changes is taken over from the runs before. Raises Conflict where the project has a round
    under way, Invalid where the run could not succeed, or where its launch would be refused and there is no
    `reason`.
    """
    recipe = recipe or recipe_again(round_)
    check_stage_name(from_stage)
    refuse_what_cannot_succeed(round_.project, round_.base, recipe, number=round_.number)
    planned = planned_round(round_.project, round_.base, recipe, number=round_.number, from_stage=from_stage)
    forecast = planned.forecast
    overridden = refuse_rerun(forecast, reason)
    with transaction.atomic():
        refuse_second_round(round_.project)
        last = round_.project.rounds.filter(number=round_.number).order_by("-run")[0]
        run = round_create(
            Round(
                project=round_.project,
                number=round_.number,
                run=last.run + 1,
                base=round_.base,
                recipe=recipe.model_dump(mode="json"),
                fresh_from=from_stage,
                launched_by=actor,
            )
        )
        forecast_keep(run, forecast)
        told: dict[str, str | int | list[str]] = {
            "recipe": recipe.name,
            "of": round_.run,
            "from_stage": from_stage,
        }
        if overridden:
            launch_override(run, actor, reason, overridden, of_data=False)
            told |= {"reason": reason.strip(), "overridden": overridden}
        audit_record(actor, "round.rerun", run, told)
        round_changed(run.pk)
        transaction.on_commit(rounds_advance_send)
    return run


def recipe_again(round_: Round) -> RoundRecipe:
    """The round's own recipe. Raises Invalid where it is of another version of Accord."""
    try:
        return recipe_of(round_)
    except RecipeError as error:
        raise Invalid(f"{error} Give a recipe that this version can run.") from error


def check_stage_name(name: str) -> None:
    """Raises Invalid where it is the name of no stage; nothing is allowed."""
    if name and name not in Stage.Name.values:
        raise Invalid(f"There is no stage {name!r}: give one of {', '.join(Stage.Name.values)}.")


def _round_in(round_: Round, *states: Round.State) -> Round:
    """The round, locked and its stages taken. Raises Conflict where it is in none of the states."""
    locked = round_locked(round_.pk)
    if locked.state not in states:
        wanted = " or ".join(state.label.lower() for state in states)
        raise Conflict(f"{locked} is {locked.get_state_display().lower()}, not {wanted}.")
    round_seize(locked)
    return locked
