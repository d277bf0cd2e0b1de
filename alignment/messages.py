"""The messages that rounds send: to Celery by name, so that stages need not import the tasks, and to pages.

A message is only a hint: the clock finds what a lost one would have said. So a broker that is away is
logged, and nothing else.
"""

import logging
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError

from live.publishing import publish

logger = logging.getLogger(__name__)

PROGRAM_RUN = "alignment.tasks.program_run"
PAIRS_GENERATE = "alignment.tasks.pairs_generate"
ROUNDS_ADVANCE = "alignment.tasks.rounds_advance"
SPEED_TRIAL = "alignment.tasks.speed_trial"


def program_run_send(program_id: int, attempt: int, queue: str) -> None:
    """Ask a worker of `queue` to run the program; `attempt` voids the message once it is out of date."""
    _send(PROGRAM_RUN, args=[program_id, attempt], queue=queue)


def pairs_generate_send(stage_id: int) -> None:
    """Ask for more comparisons. The message is void after seconds: it is sent again while any are missing."""
    _send(PAIRS_GENERATE, args=[stage_id], queue="default", expires=5)


def rounds_advance_send() -> None:
    """Ask for rounds to be advanced now rather than at the clock's next tick."""
    _send(ROUNDS_ADVANCE, queue="default", expires=5)


def round_changed(round_id: int) -> None:
    """Tell the pages that show the round, once what was written is committed."""
    publish(f"round:{round_id}", "rounds")


def program_moved(round_id: int | None, program_id: int) -> None:
    """Tell the pages of the program and of its round how far it is; the list of rounds is left in peace."""
    publish(f"program:{program_id}", *([] if round_id is None else [f"round:{round_id}"]))


def speed_trial_send(trial_id: int, config: str) -> None:
    """Ask a worker of the sampling queue to time a base; `config` is the program's, as JSON."""
    _send(SPEED_TRIAL, args=[trial_id, config], queue="sampling")


def _send(name: str, **options: Any) -> None:  # Any: what Celery takes
    try:
        current_app.send_task(name, **options)
    except OperationalError as error:
        logger.warning("%s was not sent, the clock will see to it: %s", name, error)
