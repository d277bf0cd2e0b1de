"""Forms of the project pages."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from accounts.models import Role, User
from annotation.models import Project
from annotation.services.administration import QUALITY_SETTINGS
from annotation.tag_fields import TagsField

MAX_UPLOAD_BYTES = 200 * 1024 * 1024


class ProjectForm(forms.ModelForm):  # type: ignore[type-arg]  # generic only in the stubs
    """A project's settings. Only checks: services write."""

    reasons = TagsField(label=_("Reasons"))
    safety_categories = TagsField(label=_("How an answer may be unsafe"))

    class Meta:
        model = Project
        fields = [
            "name",
            "description",
            "licence",
            "guidelines",
            "overlap",
            "lease_seconds",
            "temperature",
            "top_p",
            "max_tokens",
            "mask_personal_data",
            "live",
            "live_ahead",
            "reasons",
            "sensitive",
            "exposure_cap",
            "support_text",
            *QUALITY_SETTINGS,
            "safety_categories",
        ]
        widgets = {
            "gold_share": forms.NumberInput(attrs={"step": "0.01", "min": "0", "max": "0.5"}),
            "qualification_pass": forms.NumberInput(attrs={"step": "0.05", "min": "0.05", "max": "1"}),
            "pause_below": forms.NumberInput(attrs={"step": "0.05", "min": "0", "max": "1"}),
            "edit_share": forms.NumberInput(attrs={"step": "0.01", "min": "0", "max": "1"}),
            "certainty": forms.NumberInput(attrs={"step": "0.01", "min": "0.51", "max": "0.999"}),
            "description": forms.TextInput,
            "support_text": forms.Textarea(attrs={"rows": 4, "dir": "auto"}),
            "guidelines": forms.Textarea(attrs={"rows": 18, "class": "input-mono", "dir": "auto"}),
            "temperature": forms.NumberInput(attrs={"step": "0.05", "min": "0"}),
            "top_p": forms.NumberInput(attrs={"step": "0.01", "min": "0.01", "max": "1"}),
        }
        labels = {
            "gold_share": _("Share of checks"),
            "check_feedback": _("Tell people how they did on gold"),
            "qualification_needed": _("Checks in the qualification"),
            "qualification_pass": _("Share that must be right"),
            "pause_below": _("Pause below this share right"),
            "pause_after": _("of the latest checks"),
            "edit_share": _("Share of edits judged again"),
            "edit_people": _("by so many people"),
            "overlap_mode": _("People per comparison are"),
            "overlap_most": _("People at most"),
            "certainty": _("Certainty that is enough"),
            "overlap": _("People per comparison"),
            "sensitive": _("This project shows content that can be hard to bear"),
            "exposure_cap": _("Comparisons a day at most"),
            "support_text": _("Where to find help"),
            "licence": _("Licence of the data"),
            "lease_seconds": _("Seconds to answer"),
            "top_p": _("Top p"),
            "max_tokens": _("Tokens at most"),
            "mask_personal_data": _("Mask personal data in prompts"),
            "live": _("Live dialogs"),
            "live_ahead": _("Pairs ahead per person"),
        }
        help_texts = {
            "gold_share": _("Gold and attention checks among a person's comparisons: 0 to 0.5."),
            "qualification_needed": _("New annotators do these before the work. 0: none."),
            "pause_below": _("0: nobody is paused by a rule."),
            "edit_share": _("Somebody else compares them blindly with what they were made of. 0: none."),
            "overlap_mode": _("Adaptive: as many as above at least, and more where they disagree."),
            "certainty": _(
                "Adaptive: nobody more is asked once the majority is right with this probability."
            ),
            "description": _("One line; annotators see it on their start page."),
            "licence": _("Such as cc-by-4.0; model cards say it. Empty: not stated."),
            "guidelines": _("Markdown. Shown beside every comparison."),
            "overlap": _("How many people judge each new comparison."),
            "exposure_cap": _("Of a sensitive project, for each person. 0: no cap."),
            "support_text": _("Markdown. Shown before such content and after the last of a day."),
            "lease_seconds": _("A comparison goes to others after this long without a sign of life."),
            "temperature": _("How freely models answer when a dialog goes on."),
            "top_p": _("The share of likely words that they draw from."),
            "max_tokens": _("How long an answer may be."),
            "mask_personal_data": _(
                "E-mail addresses, telephone numbers, cards, keys and the like become "
                "placeholders such as [EMAIL_1] before a prompt is stored. What is stored already stays."
            ),
            "live": _("People write first prompts or draw one, and models answer at once."),
            "live_ahead": _("Fresh pairs from the prompt set for each person at work."),
        }


class NewProjectForm(ProjectForm):
    """A new project: the most needed of them, and its place in addresses."""

    reasons = None  # type: ignore[assignment]  # how Django leaves out a field of the base
    safety_categories = None  # type: ignore[assignment]

    class Meta(ProjectForm.Meta):
        fields = ["name", "slug", "description", "guidelines", "overlap", "lease_seconds", "max_tokens"]
        help_texts = {
            **ProjectForm.Meta.help_texts,
            "slug": _(
                "Its name in addresses and commands: letters, digits, hyphens. It cannot change later."
            ),
        }


class PlanForm(forms.ModelForm):  # type: ignore[type-arg]  # generic only in the stubs
    """How much a round is to have, and what the work is paid. Only checks: services write."""

    class Meta:
        model = Project
        fields = ["judgements_wanted", "currency", "pay_per_judgement", "pay_per_hour", "fair_pay_per_hour"]
        labels = {
            "judgements_wanted": _("Judgements a round"),
            "currency": _("Currency"),
            "pay_per_judgement": _("Pay for a judgement"),
            "pay_per_hour": _("Pay for an active hour"),
            "fair_pay_per_hour": _("Fair pay for an hour"),
        }
        help_texts = {
            "judgements_wanted": _("0: as many as its comparisons need."),
            "currency": _("As it is to be written, such as EUR."),
            "fair_pay_per_hour": _("Who earns less in an active hour stands out."),
        }


class PromptsForm(forms.Form):
    """A file of prompts."""

    file = forms.FileField(
        label=_("File"),
        widget=forms.FileInput(
            attrs={"accept": ".jsonl,.json,.gz,.parquet,.arrow,application/gzip,application/json"}
        ),
        help_text=_("JSON lines (also gzipped) or Parquet. Importing a file twice adds nothing."),
    )
    holdout = forms.FloatField(
        label=_("Share held out"),
        min_value=0,
        max_value=0.9,
        initial=0,
        widget=forms.NumberInput(attrs={"step": "0.05"}),
        help_text=_("Never trained on, only measured. Applies to rows that name no split."),
    )

    def clean_file(self) -> "UploadedFile[bytes]":
        """Refuse what is too large to read while somebody waits."""
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > MAX_UPLOAD_BYTES:
            raise forms.ValidationError(
                _("The file is larger than 200 MB: use manage.py import_prompts on the server.")
            )
        return file


class MemberForm(forms.Form):
    """Somebody joins the project, or gets another role in it; with a password also a new account."""

    username = forms.CharField(
        max_length=150, widget=forms.TextInput(attrs={"autocomplete": "off", "list": "usernames"})
    )
    role = forms.ChoiceField(choices=Role.choices)
    password = forms.CharField(
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Only for somebody without an account: makes one."),
    )

    def clean(self) -> dict[str, Any]:  # Any: Django's cleaned data
        """Find the account, or see that one is to be made."""
        cleaned: dict[str, Any] = super().clean() or {}
        if not (username := cleaned.get("username")):
            return cleaned
        cleaned["user"] = user = User.objects.filter(username=username).first()
        if user is None and not cleaned.get("password"):
            self.add_error("username", _("Nobody has this name. Give a password as well to make an account."))
        if user is not None and cleaned.get("password"):
            self.add_error("password", _("This person has an account and a password: leave this empty."))
        return cleaned
