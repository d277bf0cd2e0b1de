"""The form of an example under the guidelines. Only checks: services write."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation.models import GuidelineExample

MAX_TEXT = 50_000
TEXTS = ("prompt", "left", "right", "why")


class GuidelineExampleForm(forms.ModelForm):  # type: ignore[type-arg]  # generic only in the stubs
    """One example."""

    class Meta:
        model = GuidelineExample
        fields = ["prompt", "left", "right", "preferred", "strength", "why", "position", "active"]
        widgets = {
            "prompt": forms.Textarea(attrs={"rows": 3, "dir": "auto"}),
            "left": forms.Textarea(attrs={"rows": 6, "dir": "auto"}),
            "right": forms.Textarea(attrs={"rows": 6, "dir": "auto"}),
            "why": forms.Textarea(attrs={"rows": 4, "dir": "auto"}),
            "position": forms.NumberInput(attrs={"min": "0"}),
        }
        labels = {
            "prompt": _("Prompt"),
            "left": _("Left answer"),
            "right": _("Right answer"),
            "preferred": _("Which is better"),
            "strength": _("How strongly"),
            "why": _("Why"),
            "position": _("Place"),
            "active": _("People see it"),
        }
        help_texts = {
            "why": _("Markdown, like the other texts. Say what decides."),
            "position": _("Examples come in the order of these numbers."),
        }

    def __init__(self, *arguments: Any, **options: Any) -> None:  # Any: Django's own
        super().__init__(*arguments, **options)
        for name in TEXTS:
            field = self.fields[name]
            assert isinstance(field, forms.CharField)
            field.validators.append(forms.CharField(max_length=MAX_TEXT).validators[0])
