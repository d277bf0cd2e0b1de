"""The form that launches a round."""

import json
from typing import Any

from django import forms

from alignment.recipe import RECIPES
from annotation.models import Project
from registry.models import Checkpoint


class LaunchForm(forms.Form):
    """What to train, from what, and the whole recipe as JSON to edit."""

    project = forms.ModelChoiceField(Project.objects.order_by("name"), to_field_name="slug")
    base = forms.ModelChoiceField(
        Checkpoint.objects.filter(kind=Checkpoint.Kind.BASE).order_by("name"),
        to_field_name="name",
        help_text="Reward model and SFT start from this model, every round.",
    )
    recipe_name = forms.ChoiceField(label="Recipe", choices=[(name, name) for name in RECIPES])
    recipe_json = forms.CharField(
        label="Recipe in full",
        required=False,
        widget=forms.Textarea(attrs={"rows": 16, "spellcheck": "false", "class": "input input-mono"}),
        help_text="Leave empty to use the named recipe as it is, or paste a whole recipe to run instead.",
    )

    reason = forms.CharField(
        label="Reason to launch all the same",
        required=False,
        help_text="Only where checks speak against it. It is kept with the round and its models.",
    )

    def clean(self) -> dict[str, Any]:  # Any: Django's cleaned data
        """Add `recipe`, the recipe as data."""
        cleaned: dict[str, Any] = super().clean() or {}
        text = cleaned.get("recipe_json", "").strip()
        if text:
            try:
                cleaned["recipe"] = json.loads(text)
            except json.JSONDecodeError as error:
                self.add_error("recipe_json", f"This is not JSON: {error.msg} in line {error.lineno}.")
        elif "recipe_name" in cleaned:
            cleaned["recipe"] = RECIPES[cleaned["recipe_name"]]().model_dump(mode="json")
        return cleaned
