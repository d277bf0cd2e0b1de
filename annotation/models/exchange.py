"""Filters that a project's people share, and imports that run in the background."""

from django.db import models
from django.utils import timezone

from accounts.models import User
from annotation.models.project import Project


class SavedFilter(models.Model):
    """A choice of judgements under a name, for all who may export."""

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="saved_filters", db_index=False
    )
    name = models.CharField(max_length=100)
    chosen = models.JSONField(default=dict)
    """`annotation.filters.PreferenceFilter`, without the fields that are open."""
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["project", "name"], name="saved_filter_once")]

    def __str__(self) -> str:
        return self.name


class ImportJob(models.Model):
    """A file on its way into a project. Run twice it adds nothing, so a worker's death costs only time."""

    class Kind(models.TextChoices):
        """What the rows are."""

        PREFERENCES = "preferences", "judgements"
        PROMPTS = "prompts", "prompts"

    class State(models.TextChoices):
        """Finished ones have read all they could; failed ones say why in `error`."""

        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        FINISHED = "finished", "finished"
        FAILED = "failed", "failed"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="imports")
    kind = models.CharField(max_length=16, choices=Kind)
    file_name = models.CharField(max_length=200)
    """As the person's computer has it."""
    num_bytes = models.BigIntegerField()
    options = models.JSONField(default=dict)
    """`format` and `round` of preferences, `holdout` of prompts."""
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    read = models.PositiveIntegerField(default=0)
    """Rows so far."""
    kept = models.PositiveIntegerField(default=0)
    already_there = models.PositiveIntegerField(default=0)
    refused = models.JSONField(default=list)
    """Pairs of a reason and how many rows, most first."""
    refusals = models.JSONField(default=list)
    """Sentences about the first refused rows."""
    error = models.TextField(blank=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    """The last sign of life."""
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"import {self.pk} of {self.file_name}"
