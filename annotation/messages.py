"""The Celery messages that annotation sends, by name, so that services need not import the tasks.

A message is only a hint: the clock finds what a lost one would have said. So a broker that is away is
logged, and nothing else.
"""

import logging
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

PAIR_RUN = "annotation.tasks.pair_run"
REFINEMENT_RUN = "annotation.tasks.refinement_run"
STOCK_FILL = "annotation.tasks.stock_fill"

EXPIRES_SECONDS = 5
"""A message is void after so long: the clock sends it again while there is something to do."""


def pair_run_send(request_id: int) -> None:
    """Ask a worker for the pair."""
    _send(PAIR_RUN, args=[request_id])


def refinement_run_send(refinement_id: int) -> None:
    """Ask a worker for the refined answer."""
    _send(REFINEMENT_RUN, args=[refinement_id])


def stock_fill_send(project_id: int) -> None:
    """Ask a worker for pairs ahead of the people at work in the project."""
    _send(STOCK_FILL, args=[project_id])


def _send(name: str, **options: Any) -> None:  # Any: what Celery takes
    try:
        current_app.send_task(name, queue="default", expires=EXPIRES_SECONDS, retry=False, **options)
    except OperationalError as error:
        logger.warning("%s was not sent, the clock will see to it: %s", name, error)
