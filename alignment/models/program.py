"""Programs: one start of `python -m ...` in its run folder, for one part of a stage."""

from django.db import models


class Program(models.Model):
    """One part of a stage that runs as a program of its own, such as one variant's training.

    Programs of a lower `group` end before those of a higher one begin: variants, then their average.
    """

    class State(models.TextChoices):
        """Where a program is."""

        PENDING = "pending"
        QUEUED = "queued"
        RUNNING = "running"
        FINISHED = "finished"
        FAILED = "failed"
        CANCELLED = "cancelled"

    stage = models.ForeignKey(
        "alignment.Stage",
        on_delete=models.CASCADE,
        related_name="programs",
        null=True,
        help_text="None for a comparison of models, which belongs to no round.",
    )
    name = models.CharField(max_length=64)
    module = models.CharField(max_length=128, help_text="What `python -m` starts.")
    queue = models.CharField(max_length=16, help_text="The Celery queue whose workers may run it.")
    group = models.PositiveSmallIntegerField()
    folder = models.TextField(help_text="The run folder.")
    num_threads = models.PositiveSmallIntegerField(default=1)
    state = models.CharField(max_length=16, choices=State.choices, default=State.PENDING)
    attempt = models.PositiveIntegerField(
        default=0, help_text="The fencing token: a message of an older one is void."
    )
    num_lost = models.PositiveIntegerField(
        default=0, db_default=0, help_text="How many workers vanished with it in this attempt of its stage."
    )
    lease_expires_at = models.DateTimeField(null=True)
    stall_seconds = models.PositiveIntegerField(
        default=1800, db_default=1800, help_text="Without progress for so long it is stopped and tried again."
    )
    progressed_at = models.DateTimeField(null=True, help_text="When metrics or log last grew.")
    num_retries = models.PositiveSmallIntegerField(
        default=0, db_default=0, help_text="How often it was tried again by itself since it last got further."
    )
    furthest = models.PositiveIntegerField(
        default=0, db_default=0, help_text="The most that was done when a try failed."
    )
    pid = models.PositiveIntegerField(null=True, help_text="Of the keeper that runs it.")
    worker = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="Who took the lease last (alignment.worker_identity): machine, process and its start.",
    )
    job = models.TextField(
        blank=True,
        default="",
        db_default="",
        help_text="The job of a cluster that runs it, such as slurm:17.",
    )
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    unit = models.CharField(max_length=32, blank=True)
    plan = models.JSONField(
        default=dict, db_default={}, help_text="What it computes from what (alignment.fingerprints)."
    )
    fingerprint = models.CharField(max_length=64, blank=True, default="", db_default="")
    reused_from = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        help_text="The program whose outputs it took over; itself where that was an earlier attempt.",
    )
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["group", "id"]
        constraints = [models.UniqueConstraint(fields=["stage", "name"], name="program_name_once_per_stage")]

    @property
    def round_id(self) -> int | None:
        """The round that it is part of; None for a comparison of models."""
        return None if self.stage is None else self.stage.round_id

    def __str__(self) -> str:
        return f"{self.stage or 'models compared'} {self.name}"
