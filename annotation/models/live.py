"""What models are asked for while people work: pairs of answers, refined answers; and how long people wait.

Each is a row before a model is asked, so that a killed worker, a lost message or a dead model loses
nothing: whoever finds it due asks again.
"""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from annotation.models.comparison import Comparison, Response
from annotation.models.judgement import Assignment, Side
from annotation.models.project import Project
from annotation.models.prompt import Dialog
from registry.models import Deployment


class GenerationJob(models.Model):
    """Something that deployed models are to write for a person. The base of the two kinds below."""

    class State(models.TextChoices):
        """Waiting and running ones are to be done; shown, failed and cancelled ones are over."""

        WAITING = "waiting", "waiting"
        RUNNING = "running", "running"
        READY = "ready", "ready"
        SHOWN = "shown", "shown"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    class Failure(models.TextChoices):
        """Why nothing came, in words for the person: no model is named in them."""

        AWAY = (
            "away",
            _("The models do not answer right now: try again in a few minutes, or tell an admin."),
        )
        REFUSED = "refused", _("The models cannot answer this: it may be too long for them. Shorten it.")
        IDENTICAL = (
            "identical",
            _("The models gave identical answers: say it in other words, or go on with the next comparison."),
        )
        EMPTY = (
            "empty",
            _("The models gave an empty answer: say it in other words, or go on with the next comparison."),
        )
        NO_MODELS = (
            "no_models",
            _("Two different live models are needed to make a comparison: ask an admin to deploy them."),
        )
        LOST = "lost", _("Asking the models was interrupted several times: try again, or tell an admin.")

    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    """How often it was taken up; also the fencing token: what an earlier attempt brings is void."""
    due_at = models.DateTimeField(default=timezone.now)
    """From then on anybody may take it up: the end of its worker's lease, or of a pause after trouble."""
    failure = models.CharField(max_length=16, choices=Failure, blank=True)
    asked_at = models.DateTimeField(default=timezone.now)
    ready_at = models.DateTimeField(null=True, blank=True)
    seconds = models.FloatField(null=True, blank=True)
    """How long the models took, in the attempt that succeeded."""

    class Meta:
        abstract = True

    @property
    def error(self) -> str:
        """Why nothing came, as a sentence; empty where it did or may yet come."""
        return str(self.Failure(self.failure).label) if self.failure else ""


class PairRequest(GenerationJob):
    """Two answers that a person wants: to their next message of a dialog, or to a first prompt (turn 0).

    Its comparison is made when it is handed to them: until then nobody can be given it.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="pair_requests")
    annotator = models.ForeignKey(User, on_delete=models.PROTECT, related_name="pair_requests")
    dialog = models.ForeignKey(Dialog, on_delete=models.CASCADE, related_name="pair_requests")
    turn = models.PositiveIntegerField()
    context = models.JSONField()
    """What the models answer; its last message is the person's."""
    round = models.PositiveIntegerField()
    """The project's at the time of asking: the models are that round's."""
    left = models.ForeignKey(Response, on_delete=models.RESTRICT, null=True, blank=True, related_name="+")
    right = models.ForeignKey(Response, on_delete=models.RESTRICT, null=True, blank=True, related_name="+")
    seed = models.BigIntegerField(null=True, blank=True)
    comparison = models.OneToOneField(
        Comparison, on_delete=models.CASCADE, null=True, blank=True, related_name="pair_request"
    )
    shown_at = models.DateTimeField(null=True, blank=True)
    waited_seconds = models.FloatField(null=True, blank=True)
    """For how long the person had nothing else to judge before it was shown."""

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["dialog", "turn"],
                condition=Q(state__in=["waiting", "running", "ready", "shown"]),
                name="pair_request_once_a_turn",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=["ready", "shown"]) | Q(left__isnull=False, right__isnull=False),
                name="pair_request_both_or_none",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(state__in=["waiting", "running"]), name="pair_request_due"
            ),
            models.Index(
                fields=["annotator", "project", "ready_at"],
                condition=Q(state="ready"),
                name="pair_request_ready",
            ),
            models.Index(fields=["project", "shown_at"], name="pair_request_shown"),
        ]

    def __str__(self) -> str:
        return f"pair request {self.pk} ({self.state})"


class Refinement(GenerationJob):
    """An answer written anew, by the model that wrote it, after a person's feedback. Each step is kept."""

    assignment = models.ForeignKey(Assignment, on_delete=models.CASCADE, related_name="refinements")
    side = models.CharField(max_length=8, choices=Side)
    base = models.TextField()
    """The text that the feedback is about: the answer itself, or what has become of it in the editor."""
    feedback = models.TextField()
    content = models.TextField(blank=True)
    """What the model made of it."""
    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="refinements")
    model_name = models.CharField(max_length=200)
    num_tokens = models.PositiveIntegerField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["assignment"],
                condition=Q(state__in=["waiting", "running"]),
                name="refinement_one_at_a_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=Q(state__in=["waiting", "running"]), name="refinement_due"
            ),
        ]

    def __str__(self) -> str:
        return f"refinement {self.pk} ({self.state})"


class Wait(models.Model):
    """Since when a person has nothing to judge in a project, while they look for it."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="waits")
    annotator = models.ForeignKey(User, on_delete=models.CASCADE, related_name="waits", db_index=False)
    since = models.DateTimeField(null=True, blank=True)
    """Null while they have something."""
    seen_at = models.DateTimeField()
    """When they last asked in vain."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["annotator", "project"], name="wait_once")]

    def __str__(self) -> str:
        return f"wait of {self.annotator_id} in {self.project_id}"


class PromptWeight(models.Model):
    """How often prompts of one domain and language are asked, against others; 1 where there is no row."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="prompt_weights")
    domain = models.CharField(max_length=200)
    language = models.CharField(max_length=35)
    weight = models.FloatField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["project", "domain", "language"], name="prompt_weight_once"),
            models.CheckConstraint(condition=Q(weight__gte=0), name="prompt_weight_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.domain}, {self.language}: {self.weight}"
