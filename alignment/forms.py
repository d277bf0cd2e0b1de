"""The form that launches a round."""

import json
from typing import Any

from django import forms
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from alignment.models import Round
from alignment.numbers import NUMBERS, with_numbers
from alignment.recipe import RECIPES, RecipeError, parse_recipe
from annotation.models import Project
from registry.models import Checkpoint

MOST_EARLIER = 10
"""Rounds whose recipe can be taken again."""
LABELS = {
    "num_comparisons": _("Judgements to wait for"),
    "min_judgements": _("Judgements that must train"),
    "reward_learning_rate": _("Reward model: learning rate"),
    "num_candidates": _("Answers a prompt, K"),
    "num_prompts": _("Prompts to sample"),
    "sft_learning_rate": _("SFT: learning rate"),
    "sft_epochs": _("SFT: epochs"),
    "dpo_learning_rate": _("DPO: learning rate"),
    "dpo_epochs": _("DPO: epochs"),
    "beta": _("DPO: β"),
}


class LaunchForm(forms.Form):
    """What to train, from what, and by which recipe: a named one or an earlier round's, with changes."""

    project = forms.ModelChoiceField(
        Project.objects.order_by("name"), label=_("Project"), to_field_name="slug"
    )
    base = forms.ModelChoiceField(
        Checkpoint.objects.filter(kind=Checkpoint.Kind.BASE).order_by("name"),
        label=_("Base"),
        to_field_name="name",
        help_text=_("Reward model and SFT start from this model, every round."),
    )
    base_licence = forms.CharField(
        label=_("Licence of the base"),
        required=False,
        max_length=100,
        widget=forms.TextInput(attrs={"placeholder": "apache-2.0"}),
        help_text=_("Only where none is stated yet. Model cards say it."),
    )
    recipe_name = forms.ChoiceField(label=_("Recipe"))
    recipe_json = forms.CharField(
        label=_("Recipe in full"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 16, "spellcheck": "false", "class": "input input-mono"}),
        help_text=_("A whole recipe as JSON, in place of the one chosen above. Numbers above still count."),
    )
    reason = forms.CharField(
        label=_("Reason to launch all the same"),
        required=False,
        max_length=2000,
        help_text=_("Only where checks speak against it. It is kept with the round and its models."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:  # Any: Django's
        super().__init__(*args, **options)
        earlier = Round.objects.select_related("project").order_by("-created_at")[:MOST_EARLIER]
        rounds = [(f"round:{round_.pk}", f"{round_.project.name}, {round_.title}") for round_ in earlier]
        named = [(name, name) for name in RECIPES]
        field = self.fields["recipe_name"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [
            (gettext("Named"), named),
            *([(gettext("As in an earlier round"), rounds)] if rounds else []),
        ]
        for number in NUMBERS:
            self.fields[number.name] = (forms.IntegerField if number.whole else forms.FloatField)(
                label=LABELS[number.name],
                required=False,
                min_value=0,
                widget=forms.NumberInput(attrs={"step": "1" if number.whole else "any"}),
            )

    @property
    def numbers(self) -> list[forms.BoundField]:
        """The fields of the numbers that people change, in order."""
        return [self[number.name] for number in NUMBERS]

    def clean(self) -> dict[str, Any]:  # Any: Django's cleaned data
        """Add `recipe`, a RoundRecipe, and `unchanged`, its data without the changed numbers."""
        cleaned: dict[str, Any] = super().clean() or {}
        base, licence = cleaned.get("base"), cleaned.get("base_licence", "")
        if base is not None and base.licence and licence and licence != base.licence:
            said = gettext("%(base)s is under %(licence)s: another licence is stated on the model's page.")
            self.add_error("base_licence", said % {"base": base.name, "licence": base.licence})
        text = cleaned.get("recipe_json", "").strip()
        changes = {
            number.name: cleaned[number.name] for number in NUMBERS if cleaned.get(number.name) is not None
        }
        try:
            if text:
                cleaned["unchanged"] = json.loads(text)
            elif "recipe_name" in cleaned:
                cleaned["unchanged"] = _recipe_data(cleaned["recipe_name"])
            else:
                return cleaned
            cleaned["recipe"] = parse_recipe(with_numbers(cleaned["unchanged"], changes))
        except json.JSONDecodeError as error:
            said = gettext("This is not JSON: %(problem)s in line %(line)s.")
            self.add_error("recipe_json", said % {"problem": error.msg, "line": error.lineno})
        except RecipeError as error:
            self.add_error("recipe_json" if text else None, str(error))
        return cleaned


def _recipe_data(name: str) -> dict[str, Any]:  # Any: JSON
    """A named recipe, or an earlier round's as it was launched."""
    if name in RECIPES:
        return RECIPES[name]().model_dump(mode="json")
    return dict(Round.objects.get(pk=int(name.removeprefix("round:"))).recipe)
