"""Comparisons whose answer is known: they teach, test and qualify the people who judge."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from annotation.models.comparison import Response
from annotation.models.project import Project
from annotation.models.prompt import Prompt
from annotation.records import Strength

STRENGTHS = [(strength.value, strength.value.replace("_", " ")) for strength in Strength]


class Check(models.Model):
    """Two answers of which one is known to be better.

    A person gets it as a comparison of their own, made for them, with the sides drawn. Its judgements
    never enter the data.
    """

    class Kind(models.TextChoices):
        """What it is for."""

        GOLD = "gold", "gold"
        """Among the work, with a word afterwards if the project gives one."""
        ATTENTION = "attention", "attention"
        """Among the work, without a word."""
        QUALIFICATION = "qualification", "qualification"
        """Before the work, with a word afterwards."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="checks")
    kind = models.CharField(max_length=16, choices=Kind)
    prompt = models.ForeignKey(Prompt, on_delete=models.CASCADE, related_name="checks")
    """Its own, with the split "check"."""
    better = models.ForeignKey(Response, on_delete=models.RESTRICT, related_name="better_of")
    worse = models.ForeignKey(Response, on_delete=models.RESTRICT, related_name="worse_of")
    weakest = models.CharField(max_length=32, choices=STRENGTHS, default=Strength.MARGINALLY_BETTER.value)
    strongest = models.CharField(
        max_length=32, choices=STRENGTHS, default=Strength.SIGNIFICANTLY_BETTER.value
    )
    """The grades that pass, these two among them."""
    explanation = models.TextField(blank=True)
    """Markdown, shown with the word afterwards."""
    active = models.BooleanField(default=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(better=F("worse")), name="check_two_different_responses"),
        ]
        indexes = [models.Index(fields=["project", "kind"], condition=Q(active=True), name="check_active")]

    def __str__(self) -> str:
        return f"check {self.pk}"

    def passes(self, *, is_better: bool, strength: str) -> bool:
        """Whether this judgement is right: the better answer, by a grade from weakest to strongest."""
        order = list(Strength)
        place = order.index(Strength(strength))
        strongest, weakest = order.index(Strength(self.strongest)), order.index(Strength(self.weakest))
        return is_better and strongest <= place <= weakest
