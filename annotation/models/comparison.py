"""Responses of models, and the comparisons of two of them that people are asked for."""

from typing import Literal

from django.db import models
from django.db.models import F, Func, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from annotation.models.project import Project
from annotation.models.prompt import Dialog
from annotation.models.release import Release
from registry.models import Checkpoint, Deployment


def counted(field: str, function: str) -> models.GeneratedField:
    """A number that the database counts as the row is written, by a function of the migrations."""
    return models.GeneratedField(
        expression=Func(F(field), function=function), output_field=models.IntegerField(), db_persist=True
    )


class Response(models.Model):
    """What one model answered, and which model that was. Annotators never see the latter."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="responses")
    content = models.TextField()
    tool_call = models.BooleanField(default=False, db_default=False)
    """Whether the content is for a tool to run."""
    num_words = counted("content", "accord_words")
    """As `annotation.text` counts words; reports need no tokenizer."""
    deployment = models.ForeignKey(
        Deployment, on_delete=models.PROTECT, null=True, blank=True, related_name="responses"
    )
    checkpoint = models.ForeignKey(
        Checkpoint, on_delete=models.PROTECT, null=True, blank=True, related_name="responses"
    )
    model_name = models.CharField(max_length=200)
    num_tokens = models.PositiveIntegerField(null=True, blank=True)
    seconds = models.FloatField(null=True, blank=True)
    """How long the model took."""
    finish = models.CharField(max_length=16, blank=True)
    """Why it ended: "stop" or "length"; empty where nobody knows."""
    release = models.ForeignKey(
        Release, on_delete=models.SET_NULL, null=True, blank=True, related_name="responses", db_index=False
    )
    """Which of its project's releases wrote it: both answers of a comparison are of one."""
    written_at = models.DateTimeField(null=True, blank=True)
    """Null where nobody noted it."""

    def __str__(self) -> str:
        return f"response {self.pk}"


class Comparison(models.Model):
    """Two responses to one context, shown side by side."""

    class State(models.TextChoices):
        """Open until `needed` people have judged it."""

        OPEN = "open", _("open")
        FULL = "full", _("full")
        FLAGGED = "flagged", _("flagged")
        WITHDRAWN = "withdrawn", _("withdrawn")
        CHECK = "check", _("check")
        """Made from a check for one person, and never anything else: so no count of work includes it."""

    JUDGEABLE = frozenset({State.OPEN, State.CHECK})

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="comparisons", db_index=False)
    dialog = models.ForeignKey(Dialog, on_delete=models.CASCADE, related_name="comparisons", db_index=False)
    turn = models.PositiveIntegerField(default=0)
    """Its place in the dialog; 0 answers the prompt itself."""
    round = models.PositiveIntegerField()
    context = models.JSONField()
    context_words = counted("context", "accord_context_words")
    """Of all its messages; `prompt_words` of the last one."""
    prompt_words = counted("context", "accord_prompt_words")
    num_turns = counted("context", "accord_turns")
    """The user's messages in the context."""
    left = models.ForeignKey(Response, on_delete=models.RESTRICT, related_name="left_of")
    right = models.ForeignKey(Response, on_delete=models.RESTRICT, related_name="right_of")
    seed = models.BigIntegerField(null=True, blank=True)
    """What the two models and their sides were drawn with; null where the pair was imported."""
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    needed = models.PositiveSmallIntegerField(default=1)
    num_judgements = models.PositiveSmallIntegerField(default=0)
    import_key = models.CharField(max_length=64, blank=True)
    """Hash of context and pair where imported, so that several people's judgements of one pair meet."""
    created_at = models.DateTimeField(default=timezone.now)
    of_check = models.ForeignKey(
        "annotation.Check", on_delete=models.RESTRICT, null=True, blank=True, related_name="comparisons"
    )
    """The check that this tests a person with; annotators must not be able to tell."""
    predicted = models.FloatField(null=True, blank=True)
    """A reward model's probability that left is better; null where none was asked, or it is too long."""
    too_long = models.BooleanField(default=False, db_default=False)
    """Whether it was too long for the reward model that was asked; it is not asked again."""
    erased_at = models.DateTimeField(null=True, blank=True)
    """Since when its texts are gone: its judgements count, and are exported and trained on no more."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["dialog", "turn"], name="comparison_once_a_turn"),
            models.CheckConstraint(condition=~Q(left=F("right")), name="comparison_two_different_responses"),
            models.CheckConstraint(condition=Q(needed__gte=1), name="comparison_needs_someone"),
            models.CheckConstraint(
                condition=Q(num_judgements__lte=F("needed")), name="comparison_not_judged_more_than_needed"
            ),
            models.CheckConstraint(
                condition=~Q(state="open") | Q(num_judgements__lt=F("needed")),
                name="comparison_open_until_full",
            ),
            models.CheckConstraint(
                condition=Q(state="check", of_check__isnull=False)
                | (~Q(state="check") & Q(of_check__isnull=True)),
                name="comparison_check_has_its_state",
            ),
            models.CheckConstraint(
                condition=Q(too_long=False) | Q(predicted__isnull=True),
                name="comparison_too_long_has_no_prediction",
            ),
            models.CheckConstraint(
                condition=Q(predicted__isnull=True) | Q(predicted__gte=0, predicted__lte=1),
                name="comparison_predicted_is_a_probability",
            ),
        ]
        indexes = [
            models.Index(
                fields=["project", "round", "id"], condition=Q(state="open"), name="comparison_open"
            ),
            models.Index(fields=["project", "round", "state"], name="comparison_round_state"),
            models.Index(
                fields=["project", "import_key"], condition=~Q(import_key=""), name="comparison_import_key"
            ),
        ]

    def __str__(self) -> str:
        return f"comparison {self.pk}"

    @property
    def tool_calls(self) -> tuple[Literal["left", "right"], ...]:
        """The sides whose answer is for a tool to run."""
        sides: tuple[tuple[Literal["left", "right"], Response], ...] = (
            ("left", self.left),
            ("right", self.right),
        )
        return tuple(side for side, answer in sides if answer.tool_call)

    def chosen_first(self, preferred: str) -> tuple[Response, Response]:
        """The chosen response and the rejected one, where this side ("left" or "right") is preferred."""
        return (self.right, self.left) if preferred == "right" else (self.left, self.right)
