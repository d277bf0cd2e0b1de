"""Rounds and their stages: what was asked for, how far it is, what came out."""

from django.conf import settings
from django.db import models


class Round(models.Model):
    """One launch of the recipe over a project's judgements."""

    class State(models.TextChoices):
        """Where a round is."""

        RUNNING = "running"
        PAUSED = "paused"
        FINISHED = "finished"
        FAILED = "failed"
        CANCELLED = "cancelled"

    project = models.ForeignKey("annotation.Project", on_delete=models.PROTECT, related_name="rounds")
    number = models.PositiveIntegerField(help_text="The project's rounds count from 1.")
    run = models.PositiveIntegerField(
        default=1, db_default=1, help_text="From 2 on: the round again, with another recipe or anew."
    )
    base = models.ForeignKey("registry.Checkpoint", on_delete=models.PROTECT, related_name="rounds")
    recipe = models.JSONField(help_text="The whole recipe, as launched.")
    fresh_from = models.CharField(
        max_length=24,
        blank=True,
        default="",
        db_default="",
        help_text="The first stage that takes nothing over from other rounds; nothing: all do.",
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.RUNNING)
    launched_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number", "run"], name="round_run_once"),
            models.UniqueConstraint(
                fields=["project"],
                condition=models.Q(state__in=["running", "paused"]),
                name="one_round_under_way_per_project",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.project.slug} {self.title}"

    @property
    def title(self) -> str:
        """The round's number, and its run where there are several."""
        return f"round {self.number}" if self.run == 1 else f"round {self.number}, run {self.run}"


class Stage(models.Model):
    """One stage of a round."""

    class Name(models.TextChoices):
        """The stages in the order in which they run."""

        COLLECT = "collect"
        DATA_GATE = "data_gate", "data gate"
        SNAPSHOT = "snapshot"
        REWARD_MODEL = "reward_model", "reward model"
        REJECTION_SAMPLING = "rejection_sampling", "rejection sampling"
        SFT = "sft", "SFT"
        DPO = "dpo", "DPO"
        AVERAGING = "averaging"
        EVALUATION = "evaluation"
        GATE = "gate"
        DEPLOY = "deploy"

    GATES = (Name.DATA_GATE, Name.GATE)
    """Where a round may wait for an admin's word."""

    class State(models.TextChoices):
        """Where a stage is. `waiting` waits for people: judgements, or a gate's override."""

        PENDING = "pending"
        RUNNING = "running"
        WAITING = "waiting"
        FINISHED = "finished"
        FAILED = "failed"
        CANCELLED = "cancelled"

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="stages")
    name = models.CharField(max_length=24, choices=Name.choices)
    position = models.PositiveSmallIntegerField()
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    attempt = models.PositiveIntegerField(default=0)
    token = models.PositiveBigIntegerField(
        default=0, db_default=0, help_text="The fencing token: who wrote down an older one may not write."
    )
    done = models.PositiveIntegerField(default=0, help_text="Progress of stages without programs.")
    total = models.PositiveIntegerField(default=0)
    unit = models.CharField(max_length=32, blank=True)
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["round", "name"], name="stage_once_per_round")]

    def __str__(self) -> str:
        return f"{self.round} {self.name}"

    @property
    def is_fresh(self) -> bool:
        """Whether it takes nothing over from other rounds."""
        names = Stage.Name.values
        first = self.round.fresh_from
        return bool(first) and names.index(self.name) >= names.index(first)

    @property
    def seconds(self) -> float | None:
        """How long the stage took, or None while it has not ended."""
        if self.started_at is None or self.finished_at is None:
            return None
        return (self.finished_at - self.started_at).total_seconds()


class Snapshot(models.Model):
    """The judgements a round trained on, frozen in files named by their hash."""

    round = models.OneToOneField(Round, on_delete=models.CASCADE, related_name="snapshot")
    folder = models.TextField()
    content_hash = models.CharField(max_length=64)
    num_train = models.PositiveIntegerField()
    num_holdout = models.PositiveIntegerField()
    num_newest = models.PositiveIntegerField(help_text="Of the training records, those of the newest round.")
    dropped = models.JSONField(default=dict, help_text="How many records were left out, by reason.")
    judgements = models.ManyToManyField("annotation.Judgement", related_name="snapshots")
    counts = models.JSONField(
        null=True, help_text="Its judgements, counted once (alignment.model_data); None: not yet."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"snapshot {self.content_hash[:12]}"
