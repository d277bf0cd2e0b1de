"""The Celery messages that rounds send, by name, so that stages need not import the tasks that run them."""

from celery import current_app

PROGRAM_RUN = "alignment.tasks.program_run"
PAIRS_GENERATE = "alignment.tasks.pairs_generate"
ROUNDS_ADVANCE = "alignment.tasks.rounds_advance"


def program_run_send(program_id: int, attempt: int, queue: str) -> None:
    """Ask a worker of `queue` to run the program; `attempt` voids the message once it is out of date."""
    current_app.send_task(PROGRAM_RUN, args=[program_id, attempt], queue=queue)


def pairs_generate_send(stage_id: int) -> None:
    """Ask for more comparisons. The message is void after seconds: it is sent again while any are missing."""
    current_app.send_task(PAIRS_GENERATE, args=[stage_id], queue="default", expires=5)


def rounds_advance_send() -> None:
    """Ask for rounds to be advanced now rather than at the clock's next tick."""
    current_app.send_task(ROUNDS_ADVANCE, queue="default", expires=5)
