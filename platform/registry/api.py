"""The HTTP API of the registry, to read: checkpoints with their descent, and deployments.

For reviewers and admins only: annotators must not learn which model wrote what.
"""

from datetime import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from accounts.auth import request_user
from accounts.errors import Forbidden, NotFound
from registry.models import Checkpoint, Deployment
from registry.selectors import Ancestor, checkpoint_named, checkpoints, deployments, lineage

router = Router(tags=["registry"])


class ParentOut(Schema):
    """One parent and its part."""

    name: str
    role: str


class CheckpointOut(Schema):
    """One checkpoint in a list."""

    name: str
    kind: Checkpoint.Kind
    content_hash: str
    produced_by: str
    created_at: datetime
    parents: list[ParentOut]


class AncestorOut(Schema):
    """One line of descent, `depth` generations up."""

    child: str
    parent: str
    role: str
    depth: int


class CheckpointDetailOut(CheckpointOut):
    """One checkpoint with all it came from."""

    path: str
    recipe: dict[str, Any]  # Any: JSON
    metrics: dict[str, Any]  # Any: JSON
    lineage: list[AncestorOut]


class DeploymentOut(Schema):
    """Where a checkpoint answers."""

    id: int
    name: str
    checkpoint: str
    content_hash: str
    state: Deployment.State
    base_url: str
    served_name: str
    managed: bool
    error: str
    canary_difference: float | None
    canary_tolerance: float | None
    created_at: datetime
    live_at: datetime | None
    retired_at: datetime | None


@router.get("/checkpoints", response=list[CheckpointOut])
def checkpoint_list(request: HttpRequest, kind: Checkpoint.Kind | None = None) -> list[CheckpointOut]:
    """All checkpoints, newest first."""
    _reviewer(request)
    return [CheckpointOut(**_checkpoint_fields(checkpoint)) for checkpoint in checkpoints(kind)]


@router.get("/checkpoints/{name}", response=CheckpointDetailOut)
def checkpoint_read(request: HttpRequest, name: str) -> CheckpointDetailOut:
    """One checkpoint, its recipe and numbers, and every checkpoint it descends from."""
    _reviewer(request)
    checkpoint = checkpoint_named(name) if "\0" not in name else None
    if checkpoint is None:
        raise NotFound(f"There is no checkpoint {name!r}.")
    return CheckpointDetailOut(
        **_checkpoint_fields(checkpoint),
        path=checkpoint.path,
        recipe=checkpoint.recipe,
        metrics=checkpoint.metrics,
        lineage=[_ancestor_out(ancestor) for ancestor in lineage(checkpoint)],
    )


@router.get("/deployments", response=list[DeploymentOut])
def deployment_list(request: HttpRequest, state: Deployment.State | None = None) -> list[DeploymentOut]:
    """All deployments, newest first."""
    _reviewer(request)
    return [_deployment_out(deployment) for deployment in deployments(state)]


def _reviewer(request: HttpRequest) -> None:
    if not request_user(request).is_reviewer:
        raise Forbidden("Models are for reviewers and admins: annotators judge without knowing them.")


def _checkpoint_fields(checkpoint: Checkpoint) -> dict[str, Any]:  # Any: fields of CheckpointOut
    return {
        "name": checkpoint.name,
        "kind": checkpoint.kind,
        "content_hash": checkpoint.content_hash,
        "produced_by": checkpoint.produced_by,
        "created_at": checkpoint.created_at,
        "parents": [
            ParentOut(name=link.parent.name, role=link.role) for link in checkpoint.parent_links.all()
        ],
    }


def _ancestor_out(ancestor: Ancestor) -> AncestorOut:
    return AncestorOut(child=ancestor.child, parent=ancestor.parent, role=ancestor.role, depth=ancestor.depth)


def _deployment_out(deployment: Deployment) -> DeploymentOut:
    return DeploymentOut(
        id=deployment.pk,
        name=deployment.name,
        checkpoint=deployment.checkpoint.name,
        content_hash=deployment.checkpoint.content_hash,
        state=Deployment.State(deployment.state),
        base_url=deployment.base_url,
        served_name=deployment.served_name,
        managed=deployment.managed,
        error=deployment.error,
        canary_difference=deployment.canary_difference,
        canary_tolerance=deployment.canary_tolerance,
        created_at=deployment.created_at,
        live_at=deployment.live_at,
        retired_at=deployment.retired_at,
    )
