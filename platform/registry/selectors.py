"""Reads over checkpoints and deployments: lists, and the lines of descent both ways."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from django.db import connection
from django.db.models import Count, Q, QuerySet

from registry.models import Checkpoint, CheckpointParent, Deployment


@dataclass(frozen=True, kw_only=True)
class Ancestor:
    """One line of descent above a checkpoint."""

    child: str
    parent: str
    role: str
    depth: int
    """1 for the checkpoint's own parents."""


def checkpoints(kind: str | None = None, search: str = "") -> QuerySet[Checkpoint]:
    """Checkpoints, newest first; `search` is part of a name, a maker or the beginning of a content hash."""
    found = Checkpoint.objects.prefetch_related("parent_links__parent").order_by("-pk")
    if kind:
        found = found.filter(kind=kind)
    for word in search.split():
        found = found.filter(
            Q(name__icontains=word)
            | Q(produced_by__icontains=word)
            | Q(content_hash__startswith=word.lower())
        )
    return found


def kind_counts() -> dict[str, int]:
    """How many checkpoints there are of each kind."""
    rows = Checkpoint.objects.order_by().values_list("kind").annotate(number=Count("pk"))
    return dict(rows)


def checkpoint_named(name: str) -> Checkpoint | None:
    """The checkpoint of that name."""
    return checkpoints().filter(name=name).first()


def lineage(checkpoint: Checkpoint) -> list[Ancestor]:
    """Every line of descent above `checkpoint`, nearest first; two statements, however far it goes."""
    above = relatives({checkpoint.pk}, "parents")
    links = list(
        CheckpointParent.objects.filter(child__in={checkpoint.pk, *above})
        .select_related("child", "parent")
        .order_by("pk")
    )
    return [
        Ancestor(
            child=link.child.name,
            parent=link.parent.name,
            role=link.role,
            depth=above[link.child_id] + 1 if link.child_id in above else 1,
        )
        for link in sorted(links, key=lambda link: (above.get(link.child_id, 0), link.pk))
    ]


def relatives(checkpoint_ids: Collection[int], which: Literal["parents", "children"]) -> dict[int, int]:
    """Everything above (or below) the checkpoints, each with the fewest steps to it; one statement.

    The checkpoints themselves are left out.
    """
    near, far = ("child_id", "parent_id") if which == "parents" else ("parent_id", "child_id")
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH RECURSIVE found (id) AS (
                SELECT unnest(%s::bigint[])
                UNION
                SELECT link.{far} FROM registry_checkpointparent link JOIN found ON link.{near} = found.id
            )
            SELECT link.{near}, link.{far} FROM registry_checkpointparent link
            JOIN found ON link.{near} = found.id
            """,
            [list(checkpoint_ids)],
        )
        links: dict[int, list[int]] = {}
        for start, end in cursor.fetchall():
            links.setdefault(start, []).append(end)
    steps = dict.fromkeys(checkpoint_ids, 0)
    newest = set(checkpoint_ids)
    while newest:
        reached = {end for start in newest for end in links.get(start, [])} - steps.keys()
        distance = steps[next(iter(newest))] + 1
        steps |= dict.fromkeys(reached, distance)
        newest = reached
    return {pk: distance for pk, distance in steps.items() if distance}


def deployments(state: str | None = None) -> QuerySet[Deployment]:
    """All deployments with their checkpoints, newest first."""
    found = Deployment.objects.select_related("checkpoint").order_by("-pk")
    return found.filter(state=state) if state else found
