"""Forms of quality control. Only checks: services write."""

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from annotation.models import Check, Side
from annotation.models.checks import KINDS_MADE_BY_HAND, STRENGTHS
from annotation.records import Strength
from annotation.text import storable

MAX_UPLOAD_BYTES = 20 * 1024 * 1024
MAX_TEXT = 100_000


class TextField(forms.CharField):
    """A long text as people write it, in a box of its own."""

    def __init__(self, *, rows: int, **options: object) -> None:
        widget = forms.Textarea(attrs={"rows": rows, "dir": "auto"})
        super().__init__(strip=False, max_length=MAX_TEXT, widget=widget, **options)  # type: ignore[arg-type]

    def validate(self, value: str) -> None:
        """Refuse what the database cannot keep, and blanks alone."""
        super().validate(value)
        if not storable(value) or (self.required and not value.strip()):
            raise forms.ValidationError(_("Write some text, without NUL characters or broken Unicode."))


class CheckForm(forms.Form):
    """A check of one question and two answers."""

    kind = forms.ChoiceField(
        label=_("Kind"),
        choices=[(kind, label) for kind, label in Check.Kind.choices if kind in KINDS_MADE_BY_HAND],
        help_text=_("Gold teaches, attention only watches, qualification comes before the work."),
    )
    system = TextField(label=_("System prompt"), rows=2, required=False)
    prompt = TextField(label=_("Prompt"), rows=3)
    better = TextField(label=_("The better answer"), rows=6)
    worse = TextField(label=_("The worse answer"), rows=6)
    weakest = forms.ChoiceField(
        label=_("Weakest right grade"), choices=STRENGTHS, initial=Strength.MARGINALLY_BETTER.value
    )
    strongest = forms.ChoiceField(
        label=_("Strongest right grade"), choices=STRENGTHS, initial=Strength.SIGNIFICANTLY_BETTER.value
    )
    explanation = TextField(
        label=_("Explanation"), rows=4, required=False, help_text=_("Markdown. Shown after judging.")
    )


class CheckFileForm(forms.Form):
    """A file of checks."""

    file = forms.FileField(
        label=_("JSONL file"),
        widget=forms.FileInput(attrs={"accept": ".jsonl,.json,.gz,application/gzip,application/json"}),
        help_text=_("One check a line: kind, prompt, better, worse, weakest, strongest, explanation."),
    )

    def clean_file(self) -> "UploadedFile[bytes]":
        """Refuse what is too large to read while somebody waits."""
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > MAX_UPLOAD_BYTES:
            raise forms.ValidationError(
                _("The file is larger than 20 MB: use manage.py import_checks on the server.")
            )
        return file


class DecisionForm(forms.Form):
    """What a reviewer decides about a comparison; `choice` becomes a side and a strength."""

    choice = forms.ChoiceField(
        choices=[(f"{side}-{strength}", "") for side in Side.values for strength in Strength]
    )
    comment = TextField(rows=2, required=False)

    def clean_choice(self) -> tuple[Side, Strength]:
        """The two of it."""
        side, strength = self.cleaned_data["choice"].split("-")
        return Side(side), Strength(strength)
