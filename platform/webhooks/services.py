"""Writes over endpoints and deliveries: make, change, tell, send, send again."""

import json
import secrets
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from accounts.errors import Conflict, Invalid
from accounts.models import User
from accounts.services import audit_record
from webhooks.events import CHOOSABLE, Event
from webhooks.guard import Rules, checked, parse_url
from webhooks.mail import MailFailed, mail_of, mail_send
from webhooks.messages import delivery_send_message
from webhooks.models import Delivery, Endpoint
from webhooks.sending import SendingFailed, post
from webhooks.signing import HEADER, signature

Payload = dict[str, Any]  # Any: JSON

PAUSES = tuple(
    timedelta(seconds=seconds) for seconds in (10, 60, 300, 1800, 7200, 6 * 3600, 12 * 3600, 24 * 3600)
)
"""After each failed attempt; after the last, two days in all, the delivery has failed."""
LEASE = timedelta(seconds=60)
MOST_AT_ONCE = 100

# One statement, for judgements are on everybody's path: no endpoint wants it, nothing is written.
EMIT = """
INSERT INTO webhooks_delivery
    (endpoint_id, message_id, event, body, state, attempts, due_at, error, created_at)
SELECT e.id, gen_random_uuid(), %(event)s,
    %(body)s::jsonb || CASE WHEN e.include_texts THEN %(texts)s::jsonb ELSE '{}'::jsonb END,
    'pending', 0, %(now)s, '', %(now)s
FROM webhooks_endpoint e
WHERE e.active AND e.events @> to_jsonb(%(event)s::text) AND (e.project IS NULL OR e.project = %(project)s)
RETURNING id
"""

ANY_ENDPOINT = "EXISTS (SELECT FROM webhooks_endpoint WHERE active)"
"""For statements that are about to call `emit`: where there is none, it would do nothing."""


def rules() -> Rules:
    """What the site's operator allows."""
    return Rules(networks=settings.ACCORD_WEBHOOK_NETWORKS, ports=settings.ACCORD_WEBHOOK_PORTS)


def endpoint_create(
    *,
    url: str,
    events: Sequence[str],
    project: tuple[int, str] | None = None,
    include_texts: bool = False,
    actor: User | None,
) -> Endpoint:
    """Make an endpoint of one project (number and slug) or of all. Its `secret` is to be shown once.

    Raises Invalid where the URL is not allowed or an event unknown.
    """
    parse_url(url, rules())
    unknown = sorted(set(events) - {event.value for event in CHOOSABLE})
    if unknown or not events:
        raise Invalid(f"Choose events of {', '.join(CHOOSABLE)}.")
    endpoint = Endpoint(url=url, events=sorted(set(events)), include_texts=include_texts)
    endpoint.secret = f"whsec_{secrets.token_urlsafe(32)}"
    endpoint.project, endpoint.project_slug = project or (None, "")
    with transaction.atomic():
        endpoint.save()
        data = {"url": url, "events": endpoint.events, "project": endpoint.project_slug}
        audit_record(actor, "webhook.create", endpoint, {**data, "include_texts": include_texts})
    return endpoint


def endpoint_switch(endpoint: Endpoint, *, active: bool, actor: User | None) -> None:
    """Tell it of nothing more, or again; what waits is kept."""
    with transaction.atomic():
        Endpoint.objects.filter(pk=endpoint.pk).update(active=active)
        audit_record(actor, "webhook.switch", endpoint, {"active": active})


def endpoint_delete(endpoint: Endpoint, *, actor: User | None) -> None:
    """Forget it and all deliveries to it."""
    with transaction.atomic():
        audit_record(actor, "webhook.delete", endpoint, {"url": endpoint.url})
        endpoint.delete()


def emit(event: Event, payload: Payload, *, project: int | None, texts: Payload | None = None) -> None:
    """Tell every endpoint that wants to know, in the caller's transaction; sent once that is committed.

    `texts` are what people wrote: only for endpoints that ask for them. One statement.
    """
    now = timezone.now()
    body = {"event": event.value, "created": now.isoformat(), "data": payload}
    with connection.cursor() as cursor:
        cursor.execute(
            EMIT,
            {
                "event": event.value,
                "body": json.dumps(body),
                "texts": json.dumps({"texts": texts} if texts else {}),
                "now": now,
                "project": project,
            },
        )
        written = [row[0] for row in cursor.fetchall()]
    for pk in written:
        transaction.on_commit(lambda pk=pk: delivery_send_message(pk))  # type: ignore[misc]


def ping(endpoint: Endpoint, *, actor: User | None) -> Delivery:
    """Send something harmless now, whether or not the endpoint is active."""
    with transaction.atomic():
        body = {
            "event": Event.PING.value,
            "created": timezone.now().isoformat(),
            "data": {"endpoint": endpoint.pk},
        }
        delivery = Delivery.objects.create(endpoint=endpoint, event=Event.PING, body=body)
        audit_record(actor, "webhook.ping", endpoint, {"delivery": delivery.pk})
    delivery_send(delivery.pk)
    delivery.refresh_from_db()
    return delivery


def delivery_resend(delivery: Delivery, *, actor: User | None) -> None:
    """Send it again, under the same id. Raises Conflict while it is still on its way."""
    with transaction.atomic():
        renewed = (
            Delivery.objects.filter(pk=delivery.pk)
            .exclude(state=Delivery.State.PENDING)
            .update(state=Delivery.State.PENDING, attempts=0, due_at=timezone.now(), error="")
        )
        if not renewed:
            raise Conflict("This delivery is still on its way: wait for its next attempt.")
        audit_record(actor, "webhook.resend", delivery, {"event": delivery.event})
        transaction.on_commit(lambda: delivery_send_message(delivery.pk))


def delivery_send(pk: int) -> None:
    """Make one attempt, unless that is done, is not due, or somebody is at it. No transaction meanwhile."""
    now = timezone.now()
    due = Delivery.objects.filter(pk=pk, state=Delivery.State.PENDING, due_at__lte=now)
    if not due.update(due_at=now + LEASE, attempts=F("attempts") + 1):
        return
    delivery = Delivery.objects.select_related("endpoint__user").get(pk=pk)
    code, error = _attempt(delivery)
    mine = Delivery.objects.filter(pk=pk, attempts=delivery.attempts, state=Delivery.State.PENDING)
    if not error:
        # What people wrote is not kept longer than it takes to tell it.
        body = {name: value for name, value in delivery.body.items() if name != "texts"}
        done = timezone.now()
        mine.update(state="delivered", status_code=code, error="", delivered_at=done, body=body)
    elif delivery.attempts >= len(PAUSES):
        mine.update(state="failed", status_code=code, error=error)
    else:
        pause = PAUSES[delivery.attempts - 1]
        mine.update(status_code=code, error=error, due_at=timezone.now() + pause)


def deliveries_due() -> None:
    """The clock's tick: what a lost message or a pause left over is sent."""
    due = Delivery.objects.filter(state=Delivery.State.PENDING, due_at__lte=timezone.now())
    for pk in due.order_by("due_at").values_list("pk", flat=True)[:MOST_AT_ONCE]:
        delivery_send_message(pk)


def texts_forget(*, judgements: Collection[int], comparisons: Collection[int]) -> int:
    """Take what people wrote about these out of deliveries that still hold it; how many did."""
    forgotten = 0
    for name, keys in (("judgement", judgements), ("comparison", comparisons)):
        held = Delivery.objects.filter(body__has_key="texts", **{f"body__data__{name}__in": list(keys)})
        for delivery in held:
            body = {key: value for key, value in delivery.body.items() if key != "texts"}
            forgotten += Delivery.objects.filter(pk=delivery.pk).update(body=body)
    return forgotten


def _attempt(delivery: Delivery) -> tuple[int | None, str]:
    """The status, and what went wrong in a sentence; empty where the endpoint took it (2xx)."""
    if delivery.endpoint.user is not None:
        return None, _mail(delivery, delivery.endpoint.user)
    body = json.dumps({"id": str(delivery.message_id), **delivery.body}, ensure_ascii=False).encode()
    try:
        target = checked(delivery.endpoint.url, rules())
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "Accord-Webhooks/1",
            "Accord-Event": delivery.event,
            "Accord-Delivery": str(delivery.message_id),
            HEADER: signature(delivery.endpoint.secret, body, int(timezone.now().timestamp())),
        }
        code = post(target, body, headers)
    except (Invalid, SendingFailed) as error:
        return None, str(error)
    return code, "" if 200 <= code < 300 else f"It answered {code}."


def _mail(delivery: Delivery, user: User) -> str:
    """Send it to the admin's mailbox; what went wrong in a sentence, empty where it was taken."""
    if not user.is_admin:
        return "This person is no longer an admin."
    try:
        mail = mail_of(delivery.event, delivery.body["data"], site_url=settings.ACCORD_SITE_URL)
        mail_send(mail, to=user.email, message_id=str(delivery.message_id))
    except MailFailed as error:
        return str(error)
    return ""
