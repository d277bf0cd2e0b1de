"""Pages of rounds: the list, one round with its stages live, one program's log and curves, and launching."""

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_GET, require_POST

from accounts.auth import signed_in
from accounts.errors import AccordError
from accounts.models import User
from alignment.charts import curve_chart
from alignment.console.programs import program_page
from alignment.console.recipe_tables import recipe_tables
from alignment.console.round_list import round_rows, rounds_listed
from alignment.console.rounds import round_page, rounds_detailed
from alignment.control import round_cancel, stage_retry
from alignment.data_gate.shown import data_gate_shown
from alignment.evaluation_figures import evaluation_figures
from alignment.forecast.actual import forecast_review
from alignment.models import Program, Round, Stage
from alignment.overrides import round_overrides
from alignment.permissions import REFUSAL, admins_row
from alignment.selectors import (
    best_of_k,
    quality_report,
    recipe_text,
    round_report,
    rounds,
    win_rate_history,
)
from alignment.services import gate_override, gate_reject
from annotation.models import Project

TRAINS = ("alignment.training.sft", "alignment.training.dpo", "alignment.training.reward")
"""Programs that learn from examples."""

ROUNDS_ON_A_PAGE = 25


def signed_in_admin(request: HttpRequest) -> User:
    """The signed-in admin. Raises PermissionDenied for everybody else."""
    assert isinstance(request.user, User)
    if not request.user.is_admin:
        raise PermissionDenied(REFUSAL)
    return request.user


@login_required
@require_GET
def round_list(request: HttpRequest) -> HttpResponse:
    """Rounds, newest first, a page of them. Asked for by htmx it is only what changes."""
    signed_in_admin(request)
    project, state = request.GET.get("project", ""), request.GET.get("state", "")
    page = Paginator(rounds_listed(project=project, state=state), ROUNDS_ON_A_PAGE).get_page(
        request.GET.get("page")
    )
    context = {
        "page": page,
        "rows": round_rows(list(page), timezone.now()),
        "projects": Project.objects.filter(rounds__isnull=False).distinct().order_by("name"),
        "states": Round.State.choices,
        "project": project,
        "state": state,
        "filters": urlencode({"project": project, "state": state}),
    }
    live = request.headers.get("HX-Request") == "true"
    return render(request, "alignment/_rounds_live.html" if live else "alignment/round_list.html", context)


@login_required
@require_GET
def round_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One round. Asked for by htmx it is only what changes while the round runs."""
    round_ = admins_row(signed_in(request), rounds_detailed(), pk, project="project")
    report = round_report(round_)
    context = {
        **round_page(round_, timezone.now()),
        "round": round_,
        "report": report,
        "quality": quality_report(round_),
        "best_of_k": best_of_k_chart(round_),
        "figures": evaluation_figures(report["evaluation"], win_rate_history(round_)),
        "data_gate": data_gate_shown(round_),
        "forecast": forecast_review(round_),
        "overrides": round_overrides(round_),
        **_decisions(round_),
    }
    live = request.headers.get("HX-Request") == "true"
    if live:
        return render(request, "alignment/_round_live.html", {**context, "live": True})
    earlier = Round.objects.filter(
        project=round_.project, number__lt=round_.number, state=Round.State.FINISHED
    ).order_by("-number", "-run")
    recipe = {
        "recipe": recipe_text(round_),
        "recipe_tables": recipe_tables(round_.recipe),
        "earlier_round": earlier.values_list("pk", flat=True).first(),
    }
    return render(request, "alignment/round_detail.html", {**context, **recipe})


def _decisions(round_: Round) -> dict[str, Stage | None]:
    """The stages that wait for an admin: a closed gate, one that failed."""
    stages = list(round_.stages.all())
    gates = [each for each in stages if each.name == Stage.Name.GATE and each.state == Stage.State.WAITING]
    failed = [each for each in stages if each.state == Stage.State.FAILED]
    return {"gate": next(iter(gates), None), "failed": next(iter(failed), None)}


def best_of_k_chart(round_: Round) -> dict[str, Any] | None:  # Any: of a template
    """The figures of best-of-K with their curves."""
    found = best_of_k(round_)
    if found is None:
        return None
    rows = [found, *found["domains"]]
    charts = [curve_chart("best of K", row["points"]) if len(row["points"]) > 1 else None for row in rows]
    all_domains, *domains = [{**row, "chart": chart} for row, chart in zip(rows, charts, strict=True)]
    return {**all_domains, "domains": domains}


@login_required
@require_GET
def program_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One program: what it was told, its curves, samples and log."""
    programs = Program.objects.filter(stage__isnull=False).select_related("stage__round__project")
    program = admins_row(signed_in(request), programs, pk, project="stage__round__project")
    context = {
        **program_page(program, timezone.now()),
        "program": program,
        "result": json.dumps(program.result, indent=2),
        "learns": program.module.startswith(TRAINS),
    }
    live = request.headers.get("HX-Request") == "true"
    return render(
        request, "alignment/_program_live.html" if live else "alignment/program_detail.html", context
    )


@login_required
@require_POST
def round_cancel_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancel a running round."""
    admin = signed_in(request)
    round_ = admins_row(admin, rounds(), pk, project="project")
    try:
        round_cancel(round_, admin)
    except AccordError as error:
        messages.error(request, str(error))
    return _to_round(round_)


@login_required
@require_POST
def stage_retry_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Run a failed stage again."""
    admin = signed_in(request)
    stage = admins_row(admin, Stage.objects.select_related("round"), pk, project="round__project")
    try:
        stage_retry(stage, admin)
    except AccordError as error:
        messages.error(request, str(error))
    return _to_round(stage.round)


@login_required
@require_POST
def gate_decide_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Override a closed gate with a reason, or end the round there."""
    admin = signed_in(request)
    stage = admins_row(admin, Stage.objects.select_related("round"), pk, project="round__project")
    try:
        if request.POST.get("decision") == "override":
            gate_override(stage, admin, request.POST.get("reason", ""))
        else:
            gate_reject(stage, admin)
    except AccordError as error:
        messages.error(request, str(error))
    return _to_round(stage.round)


def _to_round(round_: Round) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("round", kwargs={"pk": round_.pk}))
