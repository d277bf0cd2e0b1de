"""A project: what people judge, how, and who may."""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import Q, Value
from django.utils import timezone

from accounts.models import Role, User
from annotation.tag_fields import validate_tags
from annotation.tags import default_reasons, default_safety
from registry.models import Deployment


class OverlapMode(models.TextChoices):
    """How it is decided how many people judge a comparison."""

    FIXED = "fixed", "fixed"
    ADAPTIVE = "adaptive", "adaptive"


class Project(models.Model):
    """One stream of comparisons with its guidelines, people and deployed models."""

    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    licence = models.CharField(max_length=100, blank=True, default="", db_default="")
    """Of its prompts and judgements, such as cc-by-4.0; empty: not stated."""
    guidelines = models.TextField(blank=True)
    """Markdown, shown to annotators."""
    overlap = models.PositiveSmallIntegerField(default=1, validators=[MinValueValidator(1)])
    """How many people judge each comparison."""
    lease_seconds = models.PositiveIntegerField(default=600, validators=[MinValueValidator(1)])
    """How long a comparison stays with the person it was handed to, counted from their last sign of life."""
    current_round = models.PositiveIntegerField(default=1)
    """Comparisons of this round are handed out."""
    temperature = models.FloatField(default=1.0, validators=[MinValueValidator(0.0)])
    """How the deployed models answer the next message of a dialog."""
    top_p = models.FloatField(default=1.0)
    max_tokens = models.PositiveIntegerField(default=256, validators=[MinValueValidator(1)])
    deployments = models.ManyToManyField(Deployment, blank=True, related_name="projects")
    """The models that answer: those of `release`."""
    release = models.ForeignKey(
        "annotation.Release", on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )
    created_at = models.DateTimeField(default=timezone.now)
    live = models.BooleanField(default=False, db_default=False)
    """People write first prompts or draw them, and pairs are made ahead of those at work."""
    live_ahead = models.PositiveSmallIntegerField(default=2, db_default=2)
    """How many fresh pairs wait for each person at work in a live project."""
    judgements_wanted = models.PositiveIntegerField(default=0, db_default=0)
    """How many a round is to have; 0 is as many as its comparisons need."""
    currency = models.CharField(max_length=8, blank=True, default="", db_default="")
    pay_per_judgement = models.DecimalField(
        max_digits=12, decimal_places=4, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    pay_per_hour = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    """Of active time."""
    fair_pay_per_hour = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, blank=True, validators=[MinValueValidator(0)]
    )
    """Who earns less in an active hour stands out."""
    mask_personal_data = models.BooleanField(default=False, db_default=False)
    """Prompts are stored with placeholders in the stead of personal data: `annotation.privacy`."""
    gold_share = models.FloatField(default=0.0, db_default=0.0)
    """How many of a person's comparisons are gold or attention checks, on average."""
    check_feedback = models.BooleanField(default=True, db_default=True)
    """Whether people are told after a gold check how they did."""
    qualification_needed = models.PositiveSmallIntegerField(default=0, db_default=0)
    """How many qualification checks an annotator does before the work; 0 for none."""
    qualification_pass = models.FloatField(default=0.8, db_default=0.8)
    """The share of them that must be right."""
    pause_below = models.FloatField(default=0.0, db_default=0.0)
    """Who is right on a smaller share of their latest `pause_after` checks is paused; 0 for nobody."""
    pause_after = models.PositiveSmallIntegerField(default=10, db_default=10)
    edit_share = models.FloatField(default=0.05, db_default=0.05)
    """How many of the edits are shown to somebody else, against what they were made of; 0 for none."""
    edit_people = models.PositiveSmallIntegerField(default=1, db_default=1)
    """How many people judge such an edit again."""
    overlap_mode = models.CharField(
        max_length=16, choices=OverlapMode, default=OverlapMode.FIXED, db_default=OverlapMode.FIXED
    )
    overlap_most = models.PositiveSmallIntegerField(default=5, db_default=5)
    """How many people judge a comparison at most; `overlap` is the least, where it is adaptive."""
    certainty = models.FloatField(default=0.95, db_default=0.95)
    """Adaptive: nobody more is asked once the majority's side is right with this probability."""

    reasons = models.JSONField(
        default=default_reasons,
        db_default=Value(default_reasons(), models.JSONField()),
        blank=True,
        validators=[validate_tags],
    )
    """Why an answer is better, as people may say it: `annotation.tags`. Empty: they may say anything."""

    sensitive = models.BooleanField(default=False, db_default=False)
    """Shown to those alone who agreed to see it, blurred until they look."""
    exposure_cap = models.PositiveIntegerField(default=0, db_default=0)
    """How many comparisons of a sensitive project one person is handed a day; 0 for no cap."""
    support_text = models.TextField(blank=True, default="", db_default="")
    """Markdown: where people find help; shown before sensitive content and after the last of a day."""

    safety_categories = models.JSONField(
        default=default_safety,
        db_default=Value(default_safety(), models.JSONField()),
        blank=True,
        validators=[validate_tags],
    )
    """How an answer may be unsafe, as people may say it: `annotation.tags`. Empty: they are not asked."""
    guidelines_number = models.PositiveIntegerField(default=0, db_default=0)
    """Which version the guidelines are, counted from 1; 0 where there never were any."""

    class Meta:
        ordering = ["slug"]
        constraints = [
            models.CheckConstraint(condition=Q(overlap__gte=1), name="project_overlap_at_least_one"),
            models.CheckConstraint(
                condition=Q(lease_seconds__gte=1), name="project_lease_at_least_one_second"
            ),
            models.CheckConstraint(condition=Q(temperature__gte=0), name="project_temperature_not_negative"),
            models.CheckConstraint(condition=Q(top_p__gt=0, top_p__lte=1), name="project_top_p_is_a_share"),
            models.CheckConstraint(
                condition=Q(gold_share__gte=0, gold_share__lte=0.5), name="project_gold_share_at_most_half"
            ),
            models.CheckConstraint(
                condition=Q(qualification_pass__gt=0, qualification_pass__lte=1),
                name="project_qualification_pass_is_a_share",
            ),
            models.CheckConstraint(
                condition=Q(pause_below__gte=0, pause_below__lte=1), name="project_pause_below_is_a_share"
            ),
            models.CheckConstraint(condition=Q(pause_after__gte=1), name="project_pause_after_at_least_one"),
            models.CheckConstraint(
                condition=Q(edit_share__gte=0, edit_share__lte=1), name="project_edit_share_is_a_share"
            ),
            models.CheckConstraint(condition=Q(edit_people__gte=1), name="project_edit_people_at_least_one"),
            models.CheckConstraint(
                condition=Q(overlap_most__gte=1), name="project_overlap_most_at_least_one"
            ),
            models.CheckConstraint(
                condition=Q(certainty__gt=0.5, certainty__lt=1), name="project_certainty_is_a_probability"
            ),
        ]

    def __str__(self) -> str:
        return self.slug


class Membership(models.Model):
    """What one person may do in one project."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role, default=Role.ANNOTATOR)
    paused_at = models.DateTimeField(null=True, blank=True)
    """Since when nothing is handed to them; null while they may work."""
    paused_by = models.ForeignKey(User, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    """Null where it was their accuracy on checks."""
    pause_reason = models.TextField(blank=True, default="", db_default="")
    qualified_at = models.DateTimeField(null=True, blank=True)
    """When they passed the qualification."""
    checked_from = models.DateTimeField(null=True, blank=True)
    """Checks before this count neither for the qualification nor for pausing: another try."""
    reliability = models.FloatField(null=True, blank=True)
    """The probability that they prefer the better answer, as last learned; null where nobody knows."""
    opted_in_at = models.DateTimeField(null=True, blank=True)
    """When they agreed to see a sensitive project's content; null where they did not, or no longer do."""
    guidelines_read = models.PositiveIntegerField(default=0, db_default=0)
    """The newest version of the guidelines that they have opened, or that was there when they came."""

    class Meta:
        constraints = [models.UniqueConstraint(fields=["project", "user"], name="membership_once")]

    def __str__(self) -> str:
        return f"{self.user} in {self.project} as {self.role}"
