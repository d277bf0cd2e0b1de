"""Pairs of answers that people compare blind before a round's policy is deployed."""

from django.conf import settings
from django.db import models


class GatePair(models.Model):
    """The candidate's answer and another policy's to one held-out prompt, and who found which one better.

    The texts are copied: what people saw stays, whatever becomes of the run folder. Equal answers are ties
    that nobody needs to look at.
    """

    class Verdict(models.TextChoices):
        """Which side is better."""

        LEFT = "left", "left is better"
        TIE = "tie", "equally good"
        RIGHT = "right", "right is better"

    stage = models.ForeignKey("alignment.Stage", on_delete=models.CASCADE, related_name="pairs")
    number = models.PositiveIntegerField(help_text="Its place in the order in which pairs are shown.")
    prompt_id = models.CharField(max_length=255)
    other = models.CharField(max_length=16, help_text="The other policy: base or previous.")
    context = models.JSONField()
    candidate_answer = models.TextField()
    other_answer = models.TextField()
    candidate_left = models.BooleanField(help_text="Drawn at random; hidden from who compares.")
    verdict = models.CharField(max_length=8, choices=Verdict.choices, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="gate_pairs"
    )
    decided_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["stage", "number"], name="gate_pair_number_once")]

    def __str__(self) -> str:
        return f"{self.stage} pair {self.number}"

    @property
    def left(self) -> str:
        """The answer on the left."""
        return self.candidate_answer if self.candidate_left else self.other_answer

    @property
    def right(self) -> str:
        """The answer on the right."""
        return self.other_answer if self.candidate_left else self.candidate_answer

    @property
    def outcome(self) -> float:
        """1 where the candidate won, 0 where it lost, 0.5 for a tie, of a decided pair."""
        if self.verdict == self.Verdict.TIE:
            return 0.5
        assert self.verdict, self
        return float((self.verdict == self.Verdict.LEFT) == self.candidate_left)
