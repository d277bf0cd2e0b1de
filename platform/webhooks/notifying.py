"""Which events an admin is told of by e-mail: an endpoint of the outbox that belongs to a person."""

from collections.abc import Collection

from django.db import transaction

from accounts.errors import Forbidden, Invalid
from accounts.models import User
from accounts.services import audit_record
from webhooks.events import MAILED
from webhooks.models import Endpoint


def notifications_of(user: User) -> frozenset[str]:
    """The events that are mailed to this person."""
    endpoint = Endpoint.objects.filter(user=user, active=True).first()
    return frozenset(endpoint.events) if endpoint else frozenset()


def notifications_set(user: User, *, email: str, events: Collection[str]) -> Endpoint:
    """Mail these events to this admin at `email` from now on. Raises Invalid where one is unknown."""
    if not user.is_admin:
        raise Forbidden("Notifications are for admins of the whole site.")
    unknown = sorted(set(events) - {event.value for event in MAILED})
    if unknown:
        raise Invalid(f"There is no event {unknown[0]!r} to be told of.")
    if events and not email:
        raise Invalid("Enter the e-mail address that is to be written to.")
    with transaction.atomic():
        User.objects.filter(pk=user.pk).update(email=email)
        endpoint, _ = Endpoint.objects.update_or_create(
            user=user, defaults={"events": sorted(set(events)), "active": bool(events)}
        )
        audit_record(user, "notifications.set", endpoint, {"events": endpoint.events})
    user.email = email
    return endpoint
