"""Launching a round: the form, and beside it live what is there, what is missing and what it will take."""

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from accounts.errors import AccordError
from alignment.data_gate.checks import DataCheck
from alignment.data_gate.measuring import data_gate_checks
from alignment.data_gate.shown import check_rows
from alignment.forecast.forecasting import round_forecast
from alignment.forecast.shown import forecast_shown
from alignment.forecast.trials import speed_trial, speed_trial_request
from alignment.forms import LABELS, LaunchForm
from alignment.launch_checks import launch_problems, trains_at_once
from alignment.numbers import NUMBERS, numbers_of
from alignment.planned import planned_by_stage, planned_round
from alignment.services import launch_check, next_number, round_launch
from alignment.views import signed_in_admin
from registry.services import checkpoint_licence_set


@login_required
@require_http_methods(["GET", "POST"])
def round_new(request: HttpRequest) -> HttpResponse:
    """The form that launches a round."""
    admin = signed_in_admin(request)
    form = LaunchForm(request.POST or None, initial=_initial(request))
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            with transaction.atomic():
                if given["base_licence"]:
                    checkpoint_licence_set(given["base"], given["base_licence"], actor=admin)
                round_ = round_launch(
                    given["project"], given["base"], given["recipe"], admin, reason=given["reason"]
                )
        except AccordError as error:
            form.add_error(None, str(error))
        else:
            messages.success(request, f"Launched {round_}.")
            return redirect("round", pk=round_.pk)
    return render(request, "alignment/round_new.html", {"form": form}, status=422 if form.errors else 200)


@login_required
@require_POST
def round_preview(request: HttpRequest) -> HttpResponse:
    """What a launch by the form as it stands would find: checks, forecast, the recipe as it will run."""
    signed_in_admin(request)
    form = LaunchForm(request.POST)
    context = _preview(form) if form.is_valid() else {"unfinished": form.errors}
    return render(request, "alignment/_launch_preview.html", context)


@login_required
@require_POST
def speed_trial_start(request: HttpRequest) -> HttpResponse:
    """Have the base timed for some seconds; the preview shows when it is done."""
    signed_in_admin(request)
    form = LaunchForm(request.POST)
    if form.is_valid():
        speed_trial_request(form.cleaned_data["base"], form.cleaned_data["recipe"])
        return render(request, "alignment/_launch_preview.html", _preview(form))
    return render(request, "alignment/_launch_preview.html", {"unfinished": form.errors})


@login_required
@require_POST
def round_plan(request: HttpRequest) -> HttpResponse:
    """The preview with a dry run: what is taken over, and the forecast without it."""
    signed_in_admin(request)
    form = LaunchForm(request.POST)
    context = _preview(form, tried=True) if form.is_valid() else {"unfinished": form.errors}
    return render(request, "alignment/_launch_preview.html", context)


def _preview(form: LaunchForm, *, tried: bool = False) -> dict[str, Any]:  # Any: of a template
    project, base, recipe = (form.cleaned_data[name] for name in ("project", "base", "recipe"))
    context: dict[str, Any] = {"project": project, "base": base, "refusal": "", "problems": []}
    checks: list[DataCheck] = data_gate_checks(project, recipe)
    try:
        launch_check(project, base, recipe)
        if tried:
            planned = planned_round(project, base, recipe, number=next_number(project))
            forecast = planned.forecast
            context |= {"planned": planned_by_stage(planned), "num_reused": planned.num_reused}
        else:
            forecast = round_forecast(project, base, recipe)
    except AccordError as error:
        context["refusal"] = str(error)
    else:
        context["forecast"] = forecast_shown(forecast)
        context["problems"] = launch_problems(recipe, checks, forecast)
        context["guessed"] = any(stage.basis == "guess" for stage in forecast.stages if stage.amount)
    data = recipe.model_dump(mode="json")
    before, after = numbers_of(form.cleaned_data["unchanged"]), numbers_of(data)
    return {
        **context,
        "checks": check_rows(checks),
        "at_once": trains_at_once(recipe),
        "trial": speed_trial(base, recipe),
        "numbers": [
            {
                "label": LABELS[number.name],
                "value": after.get(number.name, ""),
                "before": before.get(number.name, "") if before != after else "",
            }
            for number in NUMBERS
        ],
        "recipe_name": recipe.name,
        "recipe_text": json.dumps(data, indent=2),
    }


def _initial(request: HttpRequest) -> dict[str, str]:
    """What the address asks for: `?project=…&base=…&recipe=round:7`; else the first of each."""
    asked = {name: request.GET.get(name, "") for name in ("project", "base", "recipe")}
    found = {"project": asked["project"], "base": asked["base"], "recipe_name": asked["recipe"]}
    return {name: value for name, value in found.items() if value}
