"""Pages and buttons of what is done with a round that is there: pause, resume, retry, run again."""

import json
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from accounts.auth import signed_in
from accounts.errors import AccordError
from accounts.models import User
from alignment.control import round_pause, round_rerun, round_resume, round_retry
from alignment.forecast.shown import forecast_shown
from alignment.models import Round, Stage
from alignment.permissions import admins_row
from alignment.planned import PlannedRound, planned_by_stage, planned_round
from alignment.recipe import RecipeError, RoundRecipe, parse_recipe
from alignment.selectors import recipe_text, rounds


class RerunForm(forms.Form):
    """The recipe to edit, and the stage from which everything is computed anew."""

    recipe = forms.CharField(
        label=gettext_lazy("Recipe"),
        widget=forms.Textarea(attrs={"rows": 18, "spellcheck": "false", "class": "input input-mono"}),
        help_text=gettext_lazy("What a changed number does not change is taken over from earlier runs."),
    )
    from_stage = forms.ChoiceField(
        label=gettext_lazy("Compute anew from"),
        required=False,
        choices=[("", gettext_lazy("Only what has changed")), *Stage.Name.choices],
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason to launch all the same"),
        required=False,
        max_length=2000,
        help_text=gettext_lazy(
            "Only where checks speak against it. It is kept with the round and its models."
        ),
    )

    def clean_recipe(self) -> RoundRecipe:
        """The recipe, checked."""
        try:
            return parse_recipe(json.loads(self.cleaned_data["recipe"]))
        except json.JSONDecodeError as error:
            problem = {"problem": error.msg, "line": error.lineno}
            raise forms.ValidationError(
                gettext("This is not JSON: %(problem)s in line %(line)s.") % problem
            ) from error
        except RecipeError as error:
            raise forms.ValidationError(str(error)) from error


@login_required
@require_POST
def round_pause_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Pause a running round."""
    return _act(request, pk, round_pause)


@login_required
@require_POST
def round_resume_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on with a paused round."""
    return _act(request, pk, round_resume)


@login_required
@require_POST
def round_retry_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Go on with a failed or cancelled round."""
    return _act(request, pk, round_retry)


@login_required
@require_http_methods(["GET", "POST"])
def round_rerun_view(request: HttpRequest, pk: int) -> HttpResponse:
    """The form that runs a round again; `preview` shows first what that would compute."""
    admin = signed_in(request)
    round_ = admins_row(admin, rounds(), pk, project="project")
    form = RerunForm(
        request.POST if request.method == "POST" else None, initial={"recipe": recipe_text(round_)}
    )
    planned: PlannedRound | None = None
    if request.method == "POST" and form.is_valid():
        recipe, from_stage = form.cleaned_data["recipe"], form.cleaned_data["from_stage"]
        try:
            if request.POST.get("act") != "preview":
                reason = form.cleaned_data["reason"]
                run = round_rerun(round_, admin, recipe=recipe, from_stage=from_stage, reason=reason)
                return redirect("round", pk=run.pk)
            planned = planned_round(
                round_.project, round_.base, recipe, number=round_.number, from_stage=from_stage
            )
        except AccordError as error:
            form.add_error(None, str(error))
    context: dict[str, Any] = {"round": round_, "form": form}  # Any: of a template
    if planned is not None:
        context |= {
            "planned": planned_by_stage(planned),
            "num_reused": planned.num_reused,
            "forecast": forecast_shown(planned.forecast),
        }
    return render(request, "alignment/round_rerun.html", context, status=422 if form.errors else 200)


def _act(request: HttpRequest, pk: int, act: Callable[[Round, User], Any]) -> HttpResponse:  # Any: unused
    admin = signed_in(request)
    round_ = admins_row(admin, rounds(), pk, project="project")
    try:
        act(round_, admin)
    except AccordError as error:
        messages.error(request, str(error))
    return redirect("round", pk=round_.pk)
