"""Reads over checkpoints and deployments: lists, and the lines of descent both ways."""

from dataclasses import dataclass

from django.db.models import QuerySet

from registry.models import Checkpoint, CheckpointParent, Deployment


@dataclass(frozen=True, kw_only=True)
class Ancestor:
    """One line of descent above a checkpoint."""

    child: str
    parent: str
    role: str
    depth: int
    """1 for the checkpoint's own parents."""


def checkpoints(kind: str | None = None) -> QuerySet[Checkpoint]:
    """All checkpoints, newest first."""
    found = Checkpoint.objects.prefetch_related("parent_links__parent").order_by("-pk")
    return found.filter(kind=kind) if kind else found


def checkpoint_named(name: str) -> Checkpoint | None:
    """The checkpoint of that name."""
    return checkpoints().filter(name=name).first()


def lineage(checkpoint: Checkpoint) -> list[Ancestor]:
    """Every line of descent above `checkpoint`, nearest first; one query a generation."""
    found: list[Ancestor] = []
    seen: set[int] = set()
    generation = {checkpoint.pk}
    depth = 1
    while generation:
        links = list(
            CheckpointParent.objects.filter(child__in=generation)
            .select_related("child", "parent")
            .order_by("pk")
        )
        found += [
            Ancestor(child=link.child.name, parent=link.parent.name, role=link.role, depth=depth)
            for link in links
        ]
        seen |= generation
        generation = {link.parent_id for link in links} - seen
        depth += 1
    return found


def deployments(state: str | None = None) -> QuerySet[Deployment]:
    """All deployments with their checkpoints, newest first."""
    found = Deployment.objects.select_related("checkpoint").order_by("-pk")
    return found.filter(state=state) if state else found
