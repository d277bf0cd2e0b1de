"""Celery's entry points: each calls one function."""

from celery import shared_task

from webhooks.services import deliveries_due as send_due
from webhooks.services import delivery_send as send_one


@shared_task
def delivery_send(delivery_id: int) -> None:
    """Make one attempt."""
    send_one(delivery_id)


@shared_task
def deliveries_due() -> None:
    """The clock's tick."""
    send_due()
