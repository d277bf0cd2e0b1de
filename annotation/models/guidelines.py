"""The guidelines of a project over time, and the examples that stand under them."""

from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from annotation.models.judgement import Side
from annotation.models.project import Project
from annotation.records import Strength

MAX_POSITION = 10_000


class GuidelinesVersion(models.Model):
    """The guidelines as they once were, or are: the newest has the number of `Project.guidelines_number`."""

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="guidelines_versions", db_index=False
    )
    number = models.PositiveIntegerField()
    """From 1."""
    text = models.TextField(blank=True)
    """Markdown."""
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["project", "number"], name="guidelines_version_once"),
        ]

    def __str__(self) -> str:
        return f"version {self.number} of the guidelines of {self.project_id}"


class GuidelineExample(models.Model):
    """A comparison with its right answer and why, for people to learn from. All texts are Markdown."""

    class Grade(models.TextChoices):
        """How strongly, as people read it."""

        SIGNIFICANTLY_BETTER = Strength.SIGNIFICANTLY_BETTER.value, _("significantly better")
        BETTER = Strength.BETTER.value, _("better")
        SLIGHTLY_BETTER = Strength.SLIGHTLY_BETTER.value, _("slightly better")
        MARGINALLY_BETTER = Strength.MARGINALLY_BETTER.value, _("marginally better")

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="guideline_examples", db_index=False
    )
    prompt = models.TextField()
    left = models.TextField()
    right = models.TextField()
    preferred = models.CharField(
        max_length=8, choices=[(Side.LEFT.value, _("left")), (Side.RIGHT.value, _("right"))]
    )
    strength = models.CharField(max_length=32, choices=Grade)
    why = models.TextField()
    position = models.PositiveIntegerField(default=0, validators=[MaxValueValidator(MAX_POSITION)])
    """Examples are shown by this, then the oldest first."""
    active = models.BooleanField(default=True)
    """Whether people see it."""
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["position", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(preferred__in=Side.values), name="guideline_example_preferred_is_a_side"
            ),
            models.CheckConstraint(
                condition=Q(strength__in=[strength.value for strength in Strength]),
                name="guideline_example_strength_is_known",
            ),
        ]
        indexes = [models.Index(fields=["project", "position", "id"], name="guideline_example_order")]

    def __str__(self) -> str:
        return f"guideline example {self.pk}"
