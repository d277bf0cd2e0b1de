"""The tables: a review, its strata, the sampled documents, who read which and what they said."""

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy

from accounts.models import User
from annotation.models import Project


class DocumentReview(models.Model):
    """A sample of what one run of `pretrain.curation.sift` kept and dropped, for people to judge blind."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="document_reviews")
    name = models.SlugField(max_length=64)
    folder = models.TextField()
    """Where the run folder was when the sample was drawn."""
    run = models.JSONField()
    """The run's `run.json`."""
    thresholds = models.JSONField()
    """`reviewing.thresholds.Threshold`, as JSON, of all that people's verdicts may move."""
    seed = models.BigIntegerField()
    people_each = models.PositiveSmallIntegerField(default=1)
    """How many people judge each document."""
    is_open = models.BooleanField(default=True)
    num_documents = models.PositiveBigIntegerField()
    """That went into the step."""
    num_kept = models.PositiveBigIntegerField()
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.UniqueConstraint(fields=["project", "name"], name="document_review_name_once"),
            models.CheckConstraint(condition=Q(people_each__gte=1), name="document_review_somebody_judges"),
        ]

    def __str__(self) -> str:
        return f"{self.project} {self.name}"


class Stratum(models.Model):
    """A part of the step's documents; every document is in one, and each counts for so many as were there."""

    review = models.ForeignKey(DocumentReview, on_delete=models.CASCADE, related_name="strata")
    name = models.CharField(max_length=200)
    """As `reviewing.strata` names it."""
    num_documents = models.PositiveBigIntegerField()
    """Of the whole corpus."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["review", "name"], name="stratum_once")]

    def __str__(self) -> str:
        return self.name


class ReviewedDocument(models.Model):
    """One sampled document with its provenance and what each filter said of it."""

    review = models.ForeignKey(
        DocumentReview, on_delete=models.CASCADE, related_name="documents", db_index=False
    )
    stratum = models.ForeignKey(Stratum, on_delete=models.CASCADE, related_name="documents")
    position = models.PositiveIntegerField()
    """In which order documents are handed out: drawn, so that it tells nothing."""
    text = models.TextField()
    num_characters = models.PositiveBigIntegerField()
    """Of the whole document; a text that is longer than `reviewing.texts.MAX_CHARACTERS` is cut."""
    source = models.TextField()
    offset = models.PositiveBigIntegerField(default=0)
    url = models.TextField(blank=True)
    date = models.TextField(blank=True)
    language = models.CharField(max_length=32, blank=True)
    verdicts = models.JSONField()
    """By filter: {"kept", "reason", "value"} as `pretrain.curation.documents.Verdict` has them."""
    kept = models.BooleanField()
    erased_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(fields=["review", "position"], name="reviewed_document_position_once")
        ]

    def __str__(self) -> str:
        return f"document {self.pk}"

    @property
    def is_cut(self) -> bool:
        """Whether people see less than the whole."""
        return self.erased_at is None and len(self.text) < self.num_characters


class Reading(models.Model):
    """A document in one person's hands, and from their verdict on what they said of it."""

    class Verdict(models.TextChoices):
        """What should become of the document."""

        KEEP = "keep", gettext_lazy("keep")
        DROP = "drop", gettext_lazy("drop")
        UNSURE = "unsure", gettext_lazy("unsure")

    document = models.ForeignKey(
        ReviewedDocument, on_delete=models.CASCADE, related_name="readings", db_index=False
    )
    reviewer = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")
    expires_at = models.DateTimeField()
    """Until when it counts as in hand though nothing was said."""
    verdict = models.CharField(max_length=8, choices=Verdict, blank=True)
    reasons = models.JSONField(default=list)
    """Of `reviewing.reasons`."""
    handed_at = models.DateTimeField(default=timezone.now)
    judged_at = models.DateTimeField(null=True, blank=True)
    revealed_at = models.DateTimeField(null=True, blank=True)
    """When the reviewer asked what the filters had said; from then on the verdict stands."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["document", "reviewer"], name="reading_once")]
        indexes = [models.Index(fields=["reviewer", "-judged_at"], name="reading_latest")]

    def __str__(self) -> str:
        return f"reading {self.pk}"


class ReviewImport(models.Model):
    """A run of `sift` on its way to a review. Run twice it makes one, so a worker's death costs only time."""

    class State(models.TextChoices):
        """Finished ones have their review; failed ones say why in `error`."""

        WAITING = "waiting", gettext_lazy("waiting")
        RUNNING = "running", gettext_lazy("running")
        DONE = "done", gettext_lazy("done")
        FAILED = "failed", gettext_lazy("failed")

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="review_imports")
    run = models.TextField()
    """The run folder, below the folder of all runs."""
    name = models.SlugField(max_length=64)
    """Of the review to be."""
    size = models.PositiveIntegerField()
    people_each = models.PositiveSmallIntegerField(default=1)
    seed = models.BigIntegerField(default=0)
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    num_read = models.PositiveBigIntegerField(default=0)
    """Documents read so far, in all passes."""
    error = models.TextField(blank=True)
    created_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)
    """The last sign of life."""

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"import of {self.name}"
