"""Pages of models: the list, one checkpoint with its lineage and what it learned from."""

import json
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from accounts.auth import signed_in
from accounts.errors import AccordError
from alignment.card_facts import card_facts
from alignment.lineage import round_of
from alignment.lineage_picture import model_picture
from alignment.model_card import model_card
from alignment.model_data import snapshot_data
from alignment.views import signed_in_admin
from registry.models import Checkpoint
from registry.selectors import checkpoints, deployments, kind_counts, lineage
from registry.services import checkpoint_licence_set

MODELS_PER_PAGE = 25
MAX_RETIRED = 20
MAX_PARENTS = 3
"""Named in the list; of the others their number."""


@login_required
@require_GET
def model_list(request: HttpRequest) -> HttpResponse:
    """Checkpoints, newest first, by kind and by name, and what answers now."""
    _reviewer(request)
    kind = request.GET.get("kind", "")
    kind = kind if kind in Checkpoint.Kind.values else ""
    search = request.GET.get("q", "").replace("\0", "")[:200]
    counts = kind_counts()
    page = Paginator(checkpoints(kind or None, search), MODELS_PER_PAGE).get_page(request.GET.get("page"))
    filtered = request.GET.copy()
    filtered.pop("page", None)
    context = {
        "active": deployments().exclude(state="retired"),
        "retired": deployments("retired")[:MAX_RETIRED],
        "page": page,
        "rows": [(each, *_parents(each)) for each in page],
        "kind": kind,
        "search": search,
        "kinds": [(each.value, each.label, counts[each]) for each in Checkpoint.Kind if counts.get(each)],
        "total": sum(counts.values()),
        "filters": filtered.urlencode(),
    }
    return render(request, "alignment/model_list.html", context)


@login_required
@require_GET
def model_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One checkpoint: what it is, all it came from down to judgements, all that came from it."""
    _reviewer(request)
    checkpoint = get_object_or_404(checkpoints(), pk=pk)
    round_ = round_of(checkpoint)
    snapshot = getattr(round_, "snapshot", None)
    is_admin = signed_in(request).is_admin
    context = {
        "checkpoint": checkpoint,
        "round": round_,
        "snapshot": snapshot,
        "data": snapshot_data(snapshot) if snapshot and is_admin else None,
        "lineage": model_picture(checkpoint),
        "ancestors": lineage(checkpoint),
        "children": checkpoint.child_links.select_related("child").order_by("-pk"),
        "deployments": deployments().filter(checkpoint=checkpoint),
        "metrics": _numbers(checkpoint.metrics),
        "recipe": json.dumps(checkpoint.recipe, indent=2, ensure_ascii=False) if checkpoint.recipe else "",
    }
    return render(request, "alignment/model_detail.html", context)


@login_required
@require_GET
def model_card_page(request: HttpRequest, pk: int) -> HttpResponse:
    """The checkpoint's model card, to read; with `raw` the file itself."""
    signed_in_admin(request)
    checkpoint = get_object_or_404(checkpoints(), pk=pk)
    text = model_card(card_facts(checkpoint))
    if request.GET.get("raw"):
        return HttpResponse(text, content_type="text/markdown; charset=utf-8")
    _start, metadata, card = text.split("---\n", 2)
    # The page has a heading of its own.
    card = card.split("\n", 3)[3] if card.lstrip().startswith("# ") else card
    context = {"checkpoint": checkpoint, "metadata": metadata, "card": card}
    return render(request, "alignment/model_card.html", context)


@login_required
@require_POST
def model_licence(request: HttpRequest, pk: int) -> HttpResponse:
    """Say under which licence the checkpoint may be used."""
    admin = signed_in_admin(request)
    checkpoint = get_object_or_404(checkpoints(), pk=pk)
    try:
        checkpoint_licence_set(checkpoint, request.POST.get("licence", ""), actor=admin)
    except AccordError as error:
        messages.error(request, str(error))
    return redirect("model", pk=pk)


def _reviewer(request: HttpRequest) -> None:
    """Raises PermissionDenied for annotators, who judge without knowing the models."""
    if not signed_in(request).is_reviewer:
        raise PermissionDenied(
            _("Models are for reviewers and admins: annotators judge without knowing them.")
        )


def _parents(checkpoint: Checkpoint) -> tuple[list[str], int]:
    """The first parents' names, and how many more there are."""
    names = list(dict.fromkeys(link.parent.name for link in checkpoint.parent_links.all()))
    return names[:MAX_PARENTS], max(0, len(names) - MAX_PARENTS)


def _numbers(metrics: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:  # Any: JSON
    """Metrics as (name, value in words), nested names joined; lists, such as curves, are for programs."""
    rows: list[tuple[str, str]] = []
    for name, value in metrics.items():
        label = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, dict):
            rows += _numbers(value, f"{label} · ")
        elif not isinstance(value, list):
            rows.append((label, f"{value:.4g}" if isinstance(value, float) else str(value)))
    return rows
