"""Endpoints of other programs, and the deliveries to them: an outbox that the sender works off."""

import uuid

from django.db import models
from django.utils import timezone

from accounts.models import User


class Endpoint(models.Model):
    """A URL, or an admin's mailbox, that is to be told of some events, of one project or of all."""

    project = models.BigIntegerField(null=True, blank=True, db_index=True)
    """The project's number, null for all; no key, for projects stand above webhooks."""
    project_slug = models.CharField(max_length=64, blank=True)
    user = models.OneToOneField(
        User, on_delete=models.CASCADE, null=True, blank=True, related_name="notifications"
    )
    """The admin who is told by e-mail; null for a URL."""
    url = models.CharField(max_length=500)
    secret = models.CharField(max_length=100)
    """What deliveries are signed with. Shown when it is made, and never again."""
    events = models.JSONField(default=list)
    include_texts = models.BooleanField(default=False)
    active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"endpoint {self.pk}"


class Delivery(models.Model):
    """One event for one endpoint. Written with what it tells of, sent afterwards, at least once."""

    class State(models.TextChoices):
        """Pending until the endpoint took it or the attempts are used up."""

        PENDING = "pending", "pending"
        DELIVERED = "delivered", "delivered"
        FAILED = "failed", "failed"

    endpoint = models.ForeignKey(Endpoint, on_delete=models.CASCADE, related_name="deliveries")
    message_id = models.UUIDField(default=uuid.uuid4, unique=True)
    """The same in each attempt, so that the receiver can drop a repeat."""
    event = models.CharField(max_length=64)
    body = models.JSONField()
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    """From then on anybody may send it: the end of a sender's lease, or of the pause after a failure."""
    status_code = models.PositiveSmallIntegerField(null=True, blank=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(state="pending"), name="delivery_due"),
            models.Index(fields=["endpoint", "-id"], name="delivery_newest"),
        ]

    def __str__(self) -> str:
        return f"delivery {self.pk} ({self.state})"
