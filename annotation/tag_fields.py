"""Tags in models and forms: what a project offers its people, a line each on the settings page."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from annotation.tags import Tag, TagProblem, tags_check, tags_read, tags_write


def validate_tags(tags: object) -> None:
    """A model's validator. Raises ValidationError with the sentence of what is wrong."""
    try:
        tags_check(tags)
    except TagProblem as problem:
        raise ValidationError(str(problem)) from problem


class TagsField(forms.CharField):
    """Lines of `value: label`; cleaned to a list of tags."""

    def __init__(self, **options: Any) -> None:  # Any: Django's own options
        super().__init__(
            required=False,
            widget=forms.Textarea(attrs={"rows": 9, "class": "input-mono", "spellcheck": "false"}),
            **{
                "help_text": _("One a line: the word kept in the data, a colon, what people read."),
                **options,
            },
        )

    def prepare_value(self, value: object) -> object:
        """The lines of a list; what somebody typed stays as it was."""
        return tags_write(value) if isinstance(value, list) else value

    def to_python(self, value: object) -> Any:  # Any: a list of tags where Django has a string
        """The tags."""
        try:
            tags: list[Tag] = tags_read(str(value or ""))
        except TagProblem as problem:
            raise ValidationError(str(problem)) from problem
        return tags

    def validate(self, value: object) -> None:
        """No tags at all are allowed too."""

    def run_validators(self, value: object) -> None:
        """Those of a string do not apply to a list."""
