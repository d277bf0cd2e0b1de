"""The Celery message that asks for a delivery: only a hint, the clock finds what a lost one would say."""

import logging

from celery import current_app
from kombu.exceptions import OperationalError

logger = logging.getLogger(__name__)

DELIVERY_SEND = "webhooks.tasks.delivery_send"
EXPIRES_SECONDS = 5


def delivery_send_message(delivery_id: int) -> None:
    """Ask a worker to send it."""
    try:
        current_app.send_task(
            DELIVERY_SEND, args=[delivery_id], queue="default", expires=EXPIRES_SECONDS, retry=False
        )
    except OperationalError as error:
        logger.warning("a delivery was not asked for, the clock will see to it: %s", error)
