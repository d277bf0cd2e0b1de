"""A reward model asked about open comparisons of a project."""

from django.db import models


class PredictionRun(models.Model):
    """What is asked of which reward model; its program scores, and has the state."""

    project = models.ForeignKey(
        "annotation.Project", on_delete=models.CASCADE, related_name="prediction_runs"
    )
    reward_model = models.ForeignKey("registry.Checkpoint", on_delete=models.PROTECT, related_name="+")
    program = models.OneToOneField(
        "alignment.Program", on_delete=models.CASCADE, related_name="prediction_run"
    )
    num_comparisons = models.PositiveIntegerField()
    kept_at = models.DateTimeField(null=True, help_text="When its predictions went to the comparisons.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"predictions {self.pk}"
