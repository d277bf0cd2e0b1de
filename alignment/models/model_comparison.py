"""A comparison of two models that somebody asked for: both answer the same held-out prompts."""

from django.conf import settings
from django.db import models


class ModelComparison(models.Model):
    """What is compared on what; its program answers and scores, and has the state."""

    first = models.ForeignKey("registry.Checkpoint", on_delete=models.PROTECT, related_name="+")
    second = models.ForeignKey("registry.Checkpoint", on_delete=models.PROTECT, related_name="+")
    reward_model = models.ForeignKey("registry.Checkpoint", on_delete=models.PROTECT, related_name="+")
    project = models.ForeignKey(
        "annotation.Project",
        on_delete=models.PROTECT,
        related_name="model_comparisons",
        help_text="Whose held-out prompts are answered.",
    )
    num_prompts = models.PositiveIntegerField()
    program = models.OneToOneField(
        "alignment.Program", on_delete=models.CASCADE, related_name="model_comparison"
    )
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["first", "second", "reward_model", "project", "num_prompts"],
                name="models_compared_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.first_id} against {self.second_id}"
