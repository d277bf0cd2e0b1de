"""Checkpoints and deployments: what there is, what came from what, what answers."""

import json
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from accounts.auth import signed_in
from registry.selectors import checkpoints, deployments, lineage

MAX_RETIRED = 20


@login_required
@require_GET
def model_list(request: HttpRequest) -> HttpResponse:
    """All checkpoints and what answers now, newest first."""
    _reviewer(request)
    listed = list(deployments())
    context = {
        "active": [deployment for deployment in listed if deployment.state != "retired"],
        "retired": [deployment for deployment in listed if deployment.state == "retired"][:MAX_RETIRED],
        "checkpoints": checkpoints(),
    }
    return render(request, "web/model_list.html", context)


@login_required
@require_GET
def model_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One checkpoint: what it is, all it came from, all that came from it."""
    _reviewer(request)
    checkpoint = get_object_or_404(checkpoints(), pk=pk)
    context = {
        "checkpoint": checkpoint,
        "ancestors": lineage(checkpoint),
        "children": checkpoint.child_links.select_related("child").order_by("-pk"),
        "deployments": deployments().filter(checkpoint=checkpoint),
        "metrics": _numbers(checkpoint.metrics),
        "recipe": json.dumps(checkpoint.recipe, indent=2, ensure_ascii=False) if checkpoint.recipe else "",
    }
    return render(request, "web/model_detail.html", context)


def _reviewer(request: HttpRequest) -> None:
    """Raises PermissionDenied for annotators, who judge without knowing the models."""
    if not signed_in(request).is_reviewer:
        raise PermissionDenied("Models are for reviewers and admins: annotators judge without knowing them.")


def _numbers(metrics: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:  # Any: JSON
    """Metrics as (name, value in words), nested names joined."""
    rows: list[tuple[str, str]] = []
    for name, value in metrics.items():
        label = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, dict):
            rows += _numbers(value, f"{label} · ")
        else:
            rows.append((label, f"{value:.4g}" if isinstance(value, float) else str(value)))
    return rows
