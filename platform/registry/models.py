"""Checkpoints (what a model is, where it lies, what it came from) and deployments (where it answers)."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class Checkpoint(models.Model):
    """A finished, immutable model folder, known by the hash of its content."""

    class Kind(models.TextChoices):
        """What the weights are."""

        BASE = "base", "base model"
        REWARD_MODEL = "reward_model", "reward model"
        SFT = "sft", "SFT model"
        DPO = "dpo", "DPO model"
        AVERAGE = "average", "averaged model"

    name = models.CharField(max_length=200, unique=True)
    kind = models.CharField(max_length=16, choices=Kind)
    path = models.CharField(max_length=1000)
    content_hash = models.CharField(max_length=64, db_index=True)
    recipe = models.JSONField(default=dict, blank=True)
    metrics = models.JSONField(default=dict, blank=True)
    produced_by = models.CharField(max_length=200, blank=True)
    licence = models.CharField(max_length=100, blank=True, default="", db_default="")
    """An identifier such as apache-2.0 or llama3.3; empty: not stated."""
    stored_at = models.DateTimeField(null=True, blank=True)
    """When it was sent to the storage that ARTIFACTS names."""
    created_at = models.DateTimeField(default=timezone.now)
    parents = models.ManyToManyField(
        "self", through="CheckpointParent", symmetrical=False, related_name="children"
    )

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.name


class CheckpointParent(models.Model):
    """One line of descent: `child` was made from `parent`, which was its "initial", "averaged", …"""

    child = models.ForeignKey(Checkpoint, on_delete=models.CASCADE, related_name="parent_links")
    parent = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="child_links")
    role = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["child", "parent", "role"], name="checkpoint_parent_once"),
            models.CheckConstraint(condition=~Q(child=F("parent")), name="checkpoint_not_its_own_parent"),
        ]

    def __str__(self) -> str:
        return f"{self.child} from {self.parent} ({self.role})"


class Deployment(models.Model):
    """A checkpoint that answers, or is asked to answer, at a URL."""

    class State(models.TextChoices):
        """From asked for to gone."""

        REQUESTED = "requested", "requested"
        STARTING = "starting", "starting"
        READY = "ready", "ready"
        """Proven by its canary, and waits until the other models of its release are."""
        LIVE = "live", "live"
        FAILED = "failed", "failed"
        RETIRED = "retired", "retired"

    name = models.CharField(max_length=200)
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.PROTECT, related_name="deployments")
    served_name = models.CharField(max_length=200)
    base_url = models.CharField(max_length=300, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.REQUESTED)
    managed = models.BooleanField(default=True)
    """We start and stop its server; False for a server that someone else runs."""
    replaces = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="replaced_by"
    )
    """Its server takes the new weights, and this one is retired when they are in."""
    error = models.TextField(blank=True)
    canary_difference = models.FloatField(null=True, blank=True)
    """How far the server's log-probabilities are from the checkpoint's; null where they were not compared."""
    canary_tolerance = models.FloatField(null=True, blank=True)
    """The difference that would have passed."""
    canary_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    live_at = models.DateTimeField(null=True, blank=True)
    retired_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["state"], name="deployment_state")]
        constraints = [
            models.UniqueConstraint(
                fields=["name"],
                condition=Q(state__in=["requested", "starting", "ready", "live"]),
                name="deployment_name_once_at_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.state})"
