"""Prompts, and the dialogs that grow from them."""

from django.db import models
from django.utils import timezone

from annotation.models.project import Project


class Prompt(models.Model):
    """A context that wants an answer: messages `{"role", "content"}`, the last one not the model's."""

    class Split(models.TextChoices):
        """Held-out prompts are only ever for measuring, those of checks for nothing else."""

        TRAIN = "train", "train"
        HOLDOUT = "holdout", "holdout"
        CHECK = "check", "check"

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="prompts")
    external_id = models.CharField(max_length=200)
    domain = models.CharField(max_length=200, default="general")
    language = models.CharField(max_length=35, default="en")
    context = models.JSONField()
    split = models.CharField(max_length=8, choices=Split, default=Split.TRAIN)
    created_at = models.DateTimeField(default=timezone.now)
    erased_at = models.DateTimeField(null=True, blank=True)
    """Since when its texts are gone: it is asked and trained on no more."""

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["project", "external_id"], name="prompt_once"),
        ]
        indexes = [models.Index(fields=["project", "split", "id"], name="prompt_split")]

    def __str__(self) -> str:
        return self.external_id


class Dialog(models.Model):
    """One conversation from a prompt, a comparison a turn."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="dialogs")
    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="dialogs")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"dialog {self.pk}"
