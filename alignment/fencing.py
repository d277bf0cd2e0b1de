"""Fencing tokens of stages: of all who act on a stage, only the last who took it may still write.

Whoever takes the step of a stage bumps its token, and so does an admin who cancels, pauses or decides.
Every write of a step locks the round, then the stage, and asks whether the token is still its own; one that
was overtaken, say because its connection was lost for a while, raises StepLost and has changed nothing.
Locks are always taken in the order round, stage, programs.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from django.db.models import F

from alignment.messages import round_changed
from alignment.models import Round, Stage


class StepLost(Exception):
    """The stage was taken by another since, or its round does not run any more: leave it alone."""


def round_locked(round_id: int) -> Round:
    """The round as it is now, locked until the transaction ends."""
    return (
        Round.objects.select_for_update(of=("self",), no_key=True).select_related("project").get(pk=round_id)
    )


def stage_take(round_id: int) -> Stage | None:
    """Take the first unfinished stage of a running round, with a token of one's own.

    None where every stage has finished. Raises StepLost where the round does not run.
    """
    with transaction.atomic():
        if round_locked(round_id).state != Round.State.RUNNING:
            raise StepLost(f"round {round_id} does not run")
        unfinished = Stage.objects.filter(round_id=round_id).exclude(state=Stage.State.FINISHED)
        pk = unfinished.values_list("pk", flat=True).first()
        return None if pk is None else _bumped(pk)


@contextmanager
def stage_seized(stage_id: int) -> Iterator[Stage]:
    """One transaction with the stage locked and taken from whoever held it: for what people decide."""
    with transaction.atomic():
        round_locked(Stage.objects.values_list("round_id", flat=True).get(pk=stage_id))
        stage = _bumped(stage_id)
        yield stage
        round_changed(stage.round_id)


def round_seize(round_: Round) -> None:
    """Take all of the round's stages from whoever holds one. Call it in a transaction, the round locked."""
    Stage.objects.filter(round=round_).update(token=F("token") + 1)
    round_changed(round_.pk)


@contextmanager
def step_held(stage: Stage) -> Iterator[None]:
    """One transaction in which the step is still ours and stays so. Raises StepLost where it is not."""
    with transaction.atomic():
        if round_locked(stage.round_id).state != Round.State.RUNNING:
            raise StepLost(f"{stage}: its round does not run")
        token = Stage.objects.select_for_update(no_key=True).values_list("token", flat=True).get(pk=stage.pk)
        if token != stage.token:
            raise StepLost(f"{stage}: taken by another")
        yield


def stage_write(stage: Stage, **values: object) -> None:
    """Write these fields and no others, if the step is still ours, and bring the given row up to date."""
    with step_held(stage):
        Stage.objects.filter(pk=stage.pk).update(**values)
        round_changed(stage.round_id)
    for name, value in values.items():
        setattr(stage, name, value)


def _bumped(stage_id: int) -> Stage:
    Stage.objects.filter(pk=stage_id).update(token=F("token") + 1)
    return Stage.objects.select_related("round__project", "round__base").get(pk=stage_id)
