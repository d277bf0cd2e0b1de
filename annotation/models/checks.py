"""Comparisons made to look at the work: of a known answer, or of an edit that somebody else judges again."""

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from accounts.models import User
from annotation.models.comparison import Response
from annotation.models.project import Project
from annotation.models.prompt import Prompt
from annotation.records import Strength

KINDS_MADE_BY_HAND = ("gold", "attention", "qualification")
"""Kinds whose answer is known. The others the work makes by itself."""
STRENGTHS = [(strength.value, strength.value.replace("_", " ")) for strength in Strength]


class Check(models.Model):
    """Two answers of which one is known to be better, or, of an edit, is said to be.

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
        EDIT = "edit", "edit"
        """Among the work, without a word: `better` is an edit, `worse` what it was made of. It tests who
        edited and not who judges; nobody passes or fails."""

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
    judgement = models.OneToOneField(
        "annotation.Judgement", on_delete=models.CASCADE, null=True, blank=True, related_name="edit_check"
    )
    """Of an edit: the judgement with that edit."""
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(better=F("worse")), name="check_two_different_responses"),
            models.CheckConstraint(
                condition=Q(kind="edit", judgement__isnull=False)
                | (~Q(kind="edit") & Q(judgement__isnull=True)),
                name="check_of_an_edit_has_its_judgement",
            ),
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
