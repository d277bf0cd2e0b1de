"""Releases: which models answered for a project, from when to when, and how that came about."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from annotation.models.project import Project
from registry.models import Deployment


class Release(models.Model):
    """The models that answer for a project together: they go live in one transaction, or none does."""

    class State(models.TextChoices):
        """Pending until all of its models are proved; live until another release takes its place."""

        PENDING = "pending", _("pending")
        LIVE = "live", _("live")
        REPLACED = "replaced", _("replaced")
        FAILED = "failed", _("failed")
        CANCELLED = "cancelled", _("cancelled")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="releases", db_index=False)
    number = models.PositiveIntegerField()
    """The project's releases count from 1."""
    deployments = models.ManyToManyField(Deployment, related_name="releases")
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    next_round = models.PositiveIntegerField(null=True, blank=True)
    """Once it is live, comparisons are handed out as this round's; null where that stays as it is."""
    made_by_round = models.PositiveIntegerField(null=True, blank=True)
    """The project's round that deploys its models; null where a person does."""
    gate = models.JSONField(default=dict, blank=True)
    """What that round's gate found: `problems`, and `override` with `by` and `reason`."""
    restores = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="restored_by"
    )
    """The earlier release whose models it brings back: a rollback."""
    replaces = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="replaced_by"
    )
    """What was live when it went live."""
    requested_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    """Null where a command or a round without a person asked for it."""
    error = models.TextField(blank=True, default="")
    requested_at = models.DateTimeField(default=timezone.now)
    live_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="release_number_once"),
            models.UniqueConstraint(
                fields=["project"], condition=Q(state="live"), name="release_one_live_per_project"
            ),
            models.UniqueConstraint(
                fields=["project"], condition=Q(state="pending"), name="release_one_pending_per_project"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project.slug} release {self.number}"
