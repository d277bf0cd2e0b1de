"""Forms of the page that imports and exports. Only checks: services write."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

from annotation.exported import Choices
from annotation.forms.projects import MAX_UPLOAD_BYTES
from annotation.importing.preferences import Format
from annotation.models import ImportJob
from annotation.records import Strength

NUM_SHOWN = 5
"""Rows of a list of choices before it scrolls."""
DAYS = ("from", "to")
Pairs = Sequence[tuple[str, str]]


class FilterForm(forms.Form):
    """Which judgements, in which form. Its fields have the names that addresses and commands use."""

    def __init__(self, choices: Choices, data: object = None) -> None:
        super().__init__(data or None)  # type: ignore[arg-type]  # a QueryDict
        lists: list[tuple[str, Any, Pairs]] = [  # Any: a lazy text
            ("round", _("Rounds"), [(str(number), str(number)) for number in choices.rounds]),
            ("strength", _("Strengths"), [(each.value, _words(each.value)) for each in Strength]),
            ("domain", _("Domains"), _named(choices.domains)),
            ("language", _("Languages"), _named(choices.languages)),
            ("annotator", _("Annotators"), _named(choices.annotators)),
            ("reason", _("Reasons"), _named(choices.reasons)),
            ("safety", _("Unsafe"), _named(choices.safety)),
        ]
        longest = max(len(values) for _name, _label, values in lists)
        size = min(max(longest, 2), NUM_SHOWN)
        for name, label, values in lists:
            if values:
                self.fields[name] = forms.MultipleChoiceField(
                    label=label,
                    choices=values,
                    required=False,
                    widget=forms.SelectMultiple(attrs={"size": size}),
                )
        day = {"type": "date"}
        self.fields["from"] = forms.DateField(
            label=_("From"), required=False, widget=forms.DateInput(attrs=day)
        )
        self.fields["to"] = forms.DateField(label=_("To"), required=False, widget=forms.DateInput(attrs=day))

    def lists(self) -> list[forms.BoundField]:
        """Those to choose from, all of one height."""
        return [field for field in self if field.name not in DAYS]

    def days(self) -> list[forms.BoundField]:
        """From and to."""
        return [self[name] for name in DAYS]


class ExportForm(forms.Form):
    """How the file is written."""

    format = forms.ChoiceField(
        label=_("Form"), choices=[("accord", _("Accord’s records")), ("trl", _("TRL’s pairs"))]
    )
    encoding = forms.ChoiceField(
        label=_("File"),
        choices=[
            ("jsonl", _("JSON lines")),
            ("jsonl.gz", _("JSON lines, gzip")),
            ("parquet", _("Parquet")),
        ],
    )


class ImportForm(forms.Form):
    """A file of judgements or prompts."""

    file = forms.FileField(
        label=_("File"),
        widget=forms.FileInput(attrs={"accept": ".jsonl,.json,.gz,.parquet,.arrow"}),
        help_text=_("JSON lines (also gzipped) or Parquet. Importing a file twice adds nothing."),
    )
    kind = forms.ChoiceField(label=_("Rows are"), choices=ImportJob.Kind.choices)
    format = forms.ChoiceField(
        label=_("Form of judgements"),
        required=False,
        choices=[("", _("Told by their fields")), *((each.value, each.value) for each in Format)],
    )
    round = forms.IntegerField(
        label=_("Round of judgements"),
        required=False,
        min_value=0,
        max_value=2**31 - 1,
        help_text=_("In place of the rows’ own."),
    )

    def clean_file(self) -> "UploadedFile[bytes]":
        """Refuse what is better read on the server."""
        file: UploadedFile[bytes] = self.cleaned_data["file"]
        if (file.size or 0) > MAX_UPLOAD_BYTES:
            raise forms.ValidationError(
                _("The file is larger than 200 MB: use manage.py import_preferences on the server.")
            )
        return file


def _words(value: str) -> str:
    return str(capfirst(value.replace("_", " ")))


def _named(names: Sequence[str]) -> Pairs:
    return [(name, name) for name in names]
