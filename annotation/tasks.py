"""Celery's entry points: each calls one function."""

from celery import shared_task

from annotation.services.clock import jobs_resend
from annotation.services.refining import refinement_run as run_refinement
from annotation.services.turns import pair_run as run_pair


@shared_task
def jobs_due() -> None:
    """The clock's tick: what a lost message or a dead worker left undone is asked for again."""
    jobs_resend()


@shared_task
def pair_run(request_id: int) -> None:
    """Have two models answer a person's message."""
    run_pair(request_id)


@shared_task
def refinement_run(refinement_id: int) -> None:
    """Have a model write an answer anew."""
    run_refinement(refinement_id)
