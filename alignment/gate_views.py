"""The page on which people compare a gate's pairs of answers blind, one after another."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from accounts.auth import signed_in
from accounts.errors import AccordError
from alignment.models import GatePair, Stage
from alignment.permissions import admins_row
from alignment.services import gate_pair_decide

CHOICES = (
    (GatePair.Verdict.LEFT, "Left is better", "1"),
    (GatePair.Verdict.TIE, "Equally good", "2"),
    (GatePair.Verdict.RIGHT, "Right is better", "3"),
)
"""Verdict, words and key, in the order of the page."""


@login_required
@never_cache
@require_GET
def gate_pairs(request: HttpRequest, pk: int) -> HttpResponse:
    """The next pair that nobody has decided; the round's page where there is none."""
    gates = Stage.objects.select_related("round__project").filter(name=Stage.Name.GATE)
    stage = admins_row(signed_in(request), gates, pk, project="round__project")
    pair = stage.pairs.filter(verdict="").first()
    if pair is None or stage.state != Stage.State.WAITING:
        messages.info(
            request, "There is nothing to compare: every pair is decided, or the gate does not wait."
        )
        return redirect("round", pk=stage.round_id)
    *earlier, latest = pair.context
    context = {
        "round": stage.round,
        "pair": pair,
        "earlier": earlier,
        "latest": latest,
        "answers": [("left", "Left", pair.left), ("right", "Right", pair.right)],
        "choices": CHOICES,
        "done": stage.pairs.exclude(verdict="").count(),
        "total": stage.pairs.count(),
    }
    return render(request, "alignment/gate_pairs.html", context)


@login_required
@require_POST
def gate_pair_decide_view(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep one verdict and go on to the next pair."""
    admin = signed_in(request)
    pairs = GatePair.objects.select_related("stage")
    pair = admins_row(admin, pairs, pk, project="stage__round__project")
    try:
        gate_pair_decide(pair, admin, request.POST.get("verdict", ""))
    except AccordError as error:
        messages.error(request, str(error))
    if not pair.stage.pairs.filter(verdict="").exists():
        messages.success(request, "Every pair is decided: the gate draws its conclusion.")
        return redirect("round", pk=pair.stage.round_id)
    return redirect("gate-pairs", pk=pair.stage_id)
