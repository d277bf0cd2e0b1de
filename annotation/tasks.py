"""Celery's entry points: each calls one function."""

from celery import shared_task

from annotation.services.clock import jobs_resend, stocks_fill
from annotation.services.overlap import reliabilities_learn as learn_reliabilities
from annotation.services.refining import refinement_run as run_refinement
from annotation.services.stock import stock_fill as fill_stock
from annotation.services.turns import pair_run as run_pair


@shared_task
def jobs_due() -> None:
    """The clock's tick: what was left undone is asked for again, and stocks are filled."""
    jobs_resend()
    stocks_fill()


@shared_task
def pair_run(request_id: int) -> None:
    """Have two models answer a person's message."""
    run_pair(request_id)


@shared_task
def refinement_run(refinement_id: int) -> None:
    """Have a model write an answer anew."""
    run_refinement(refinement_id)


@shared_task
def stock_fill(project_id: int) -> None:
    """Make pairs ahead of the people at work in a live project."""
    fill_stock(project_id)


@shared_task
def reliabilities_learn() -> None:
    """The clock's slow tick: how reliable people are, for adaptive overlap."""
    learn_reliabilities()
