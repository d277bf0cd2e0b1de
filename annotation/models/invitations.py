"""Invitations: an account that somebody may make, with its role and projects."""

from django.db import models
from django.utils import timezone

from accounts.models import Role, User
from annotation.models.project import Project


class Invitation(models.Model):
    """A link that makes one account, once and in time. Only the SHA-256 of its secret is kept."""

    class State(models.TextChoices):
        """What has become of it."""

        OPEN = "open"
        ACCEPTED = "accepted"
        REVOKED = "revoked"
        EXPIRED = "expired"

    digest = models.CharField(max_length=64, unique=True)
    note = models.CharField(max_length=100, blank=True)
    """For whom it is, as who invites calls them."""
    role = models.CharField(max_length=16, choices=Role, default=Role.ANNOTATOR)
    """On the whole site."""
    projects = models.ManyToManyField(Project, blank=True, related_name="+")
    project_role = models.CharField(max_length=16, choices=Role, default=Role.ANNOTATOR)
    """In each of the projects."""
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    accepted_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.note or 'invitation'} ({self.state})"

    @property
    def state(self) -> "Invitation.State":
        """What has become of it by now."""
        if self.accepted_at is not None:
            return self.State.ACCEPTED
        if self.revoked_at is not None:
            return self.State.REVOKED
        return self.State.EXPIRED if self.expires_at <= timezone.now() else self.State.OPEN
