"""A webhook endpoint of the sample site, with deliveries in each state."""

from accounts.models import User
from webhooks.models import Delivery, Endpoint
from webhooks.notifying import notifications_set
from webhooks.services import endpoint_create


def make_webhook(admin: User) -> Endpoint:
    """An endpoint of all projects."""
    endpoint = endpoint_create(
        url="https://hooks.quality-control.example.org/accord/incoming?team=alignment",
        events=["round.failed", "gate.waiting", "judgement.submitted"],
        actor=admin,
    )
    for event, state, code, error in (
        ("gate.waiting", "delivered", 204, ""),
        ("round.failed", "failed", 503, "It answered 503."),
        ("judgement.submitted", "pending", None, "It cannot be reached, or broke off the connection."),
    ):
        Delivery.objects.create(
            endpoint=endpoint, event=event, body={}, state=state, status_code=code, error=error, attempts=3
        )
    mailbox = notifications_set(
        admin, email="maria.keller@alignment.example.org", events=["round.failed", "deploy.failed"]
    )
    refused = "The mail server did not take it (SMTPServerDisconnected)."
    for event, state, error in (("round.failed", "delivered", ""), ("deploy.failed", "pending", refused)):
        Delivery.objects.create(endpoint=mailbox, event=event, body={}, state=state, error=error, attempts=1)
    return endpoint
