"""Who a comparison is with, and what they said: assignments, judgements, edits, flags."""

import uuid

from django.db import models
from django.db.models import Q, Value
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from annotation.judging_words import STRENGTHS
from annotation.models.comparison import Comparison, Response
from annotation.models.project import Project
from annotation.records import Strength


def record_id_new() -> str:
    """The name under which a judgement is exported."""
    return uuid.uuid4().hex


class Side(models.TextChoices):
    """Where a response was shown."""

    LEFT = "left", _("left")
    RIGHT = "right", _("right")


class Assignment(models.Model):
    """One person's turn at one comparison. Handing it to them again renews the same row, with its draft."""

    class State(models.TextChoices):
        """Active and reserved hold a place until `expires_at`; all others are over."""

        ACTIVE = "active", _("active")
        RESERVED = "reserved", _("reserved")
        """The one that comes next, fetched while the person is still at another."""
        SUBMITTED = "submitted", _("submitted")
        SKIPPED = "skipped", _("skipped")
        FLAGGED = "flagged", _("flagged")
        EXPIRED = "expired", _("expired")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="assignments")
    """The comparison's, kept here for the constraint below."""
    comparison = models.ForeignKey(
        Comparison, on_delete=models.CASCADE, related_name="assignments", db_index=False
    )
    annotator = models.ForeignKey(User, on_delete=models.PROTECT, related_name="assignments", db_index=False)
    lease = models.UUIDField(default=uuid.uuid4, unique=True)
    expires_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=State, default=State.ACTIVE)
    draft = models.JSONField(default=dict, blank=True)
    """What the person has typed and chosen so far."""
    created_at = models.DateTimeField(default=timezone.now)
    of_check = models.ForeignKey(
        "annotation.Check", on_delete=models.RESTRICT, null=True, blank=True, related_name="+", db_index=False
    )
    """The comparison's: which checks a person has had is asked while they wait."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["comparison", "annotator"], name="assignment_once"),
            models.UniqueConstraint(
                fields=["annotator", "project"], condition=Q(state="active"), name="assignment_one_in_hand"
            ),
            models.UniqueConstraint(
                fields=["annotator", "project"], condition=Q(state="reserved"), name="assignment_one_ahead"
            ),
        ]
        indexes = [
            models.Index(fields=["annotator", "project", "comparison"], name="assignment_newest"),
            models.Index(fields=["annotator", "project", "id"], name="assignment_latest"),
            models.Index(
                fields=["annotator", "of_check"],
                condition=Q(of_check__isnull=False),
                name="assignment_of_a_check",
            ),
        ]

    def __str__(self) -> str:
        return f"assignment {self.pk}"


class Judgement(models.Model):
    """Which response one person preferred, and how strongly."""

    class Standing(models.TextChoices):
        """Where it counts. Records are made of the first two, agreement of the first and the third."""

        COUNTED = "counted", _("counted")
        DECISION = "decision", _("a reviewer's decision")
        """It stands for the whole comparison, and was made in sight of the others."""
        SUPERSEDED = "superseded", _("superseded by a decision")
        EXCLUDED = "excluded", _("excluded")
        UNDONE = "undone", "a decision undone"

    IN_RECORDS = (Standing.COUNTED, Standing.DECISION)
    IN_AGREEMENT = (Standing.COUNTED, Standing.SUPERSEDED)

    comparison = models.ForeignKey(
        Comparison, on_delete=models.CASCADE, related_name="judgements", db_index=False
    )
    annotator = models.ForeignKey(User, on_delete=models.PROTECT, related_name="judgements", db_index=False)
    assignment = models.OneToOneField(Assignment, on_delete=models.RESTRICT, null=True, blank=True)
    """Null where the judgement was imported."""
    preferred = models.CharField(max_length=8, choices=Side)
    strength = models.CharField(
        max_length=32, choices=[(strength.value, words) for strength, words in STRENGTHS.items()]
    )
    reasons = models.JSONField(default=list, blank=True)
    comment = models.TextField(blank=True)
    seconds = models.FloatField(null=True, blank=True)
    """How long the person took."""
    idempotency_key = models.CharField(max_length=255)
    """Chosen by the client: the same key from the same annotator is the same judgement."""
    record_id = models.CharField(max_length=200, default=record_id_new)
    """The id of its preference record outside this database."""
    created_at = models.DateTimeField(default=timezone.now)
    standing = models.CharField(
        max_length=16, choices=Standing, default=Standing.COUNTED, db_default=Standing.COUNTED
    )
    decision = models.PositiveSmallIntegerField(default=0, db_default=0)
    """0 for what a person said; a reviewer's decisions about one comparison are numbered from 1."""
    passed = models.BooleanField(null=True, blank=True)
    """Whether it was right; null where the comparison is no check."""
    safety = models.JSONField(default=dict, blank=True, db_default=Value({}, models.JSONField()))
    """What is unsafe in each answer, `{"left": [category…], "right": […]}`; empty where nothing is."""
    guidelines = models.PositiveIntegerField(null=True, blank=True)
    """The version of the guidelines in force; null where imported or older than versions."""

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["comparison", "annotator", "decision"], name="judgement_once"),
            models.UniqueConstraint(
                fields=["annotator", "idempotency_key"], name="judgement_idempotency_key"
            ),
            models.CheckConstraint(
                condition=Q(preferred__in=Side.values), name="judgement_preferred_is_a_side"
            ),
            models.CheckConstraint(
                condition=Q(strength__in=[strength.value for strength in Strength]),
                name="judgement_strength_is_known",
            ),
        ]
        indexes = [models.Index(fields=["record_id"], name="judgement_record_id")]

    def __str__(self) -> str:
        return f"judgement {self.pk}"

    @property
    def chosen(self) -> Response:
        """The response that the person preferred, as the model wrote it."""
        return self.comparison.chosen_first(self.preferred)[0]

    @property
    def rejected(self) -> Response:
        """The other one."""
        return self.comparison.chosen_first(self.preferred)[1]

    @property
    def standing_edit(self) -> "Edit | None":
        """What the chosen response became and ranks below; None without an edit, or once it is erased."""
        edit: Edit | None = getattr(self, "edit", None)
        return None if edit is None or edit.erased_at is not None else edit


class Edit(models.Model):
    """The chosen response as the person would have it."""

    judgement = models.OneToOneField(Judgement, on_delete=models.CASCADE, related_name="edit")
    content = models.TextField()
    model_name = models.CharField(max_length=200, default="person")
    """Who wrote it; another name than "person" where it was imported, or a model refined the answer to it."""
    erased_at = models.DateTimeField(null=True, blank=True)
    """Since when its text is gone: it counts, and is part of no record any more."""

    def __str__(self) -> str:
        return f"edit of {self.judgement_id}"


class Flag(models.Model):
    """Why a person would not judge a comparison; it waits for a reviewer."""

    SKIPPED_BY_EVERYONE = "skipped_by_everyone"
    """A reason that nobody gives: the last person of the project to whom it could go has skipped it."""

    class Reason(models.TextChoices):
        """What a person says is wrong with it."""

        UNSAFE = "unsafe", _("unsafe content")
        PERSONAL_DATA = "personal_data", _("personal data")
        BROKEN = "broken", _("broken or unreadable")
        OTHER = "other", _("something else")

    comparison = models.ForeignKey(Comparison, on_delete=models.CASCADE, related_name="flags")
    annotator = models.ForeignKey(User, on_delete=models.PROTECT, related_name="flags")
    reason = models.CharField(
        max_length=32, choices=[*Reason.choices, (SKIPPED_BY_EVERYONE, _("skipped by everyone"))]
    )
    comment = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["comparison", "annotator"], name="flag_once")]

    def __str__(self) -> str:
        return f"flag {self.pk}"
