"""The picture of what models came from and what came from them: rows in, `lineage_drawing.Picture` out.

One home for the model page, for "what learned from this person" and for "which models an erasure touches".
About ten statements, however long the history.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from alignment.lineage import Learned, Made, made_by_rounds
from alignment.lineage_drawing import Band, Edge, Node, Picture, picture
from alignment.models import Round, Snapshot, Stage
from registry.models import Checkpoint, CheckpointParent, Deployment
from registry.selectors import relatives

MAX_BANDS = 6
"""Rounds in one picture; the list beside it has all."""

COLUMNS = {
    Checkpoint.Kind.BASE: 0,
    Checkpoint.Kind.REWARD_MODEL: 1,
    Checkpoint.Kind.SFT: 2,
    Checkpoint.Kind.DPO: 3,
    Checkpoint.Kind.AVERAGE: 4,
}
KINDS = ("base", "reward", "sft", "dpo", "policy")
"""By column; the colours of the boxes."""
STAGE_COLUMNS = {
    Stage.Name.REWARD_MODEL: 1,
    Stage.Name.SFT: 2,
    Stage.Name.DPO: 3,
    Stage.Name.AVERAGING: 4,
}
LEARNING_COLUMNS = (1, 2, 3)
"""Whose first models learn from a snapshot itself."""
DATA_ROLES = frozenset({"picked the data", "sampled the data"})
AVERAGE = "average"


@dataclass(frozen=True, kw_only=True)
class LineagePicture:
    """A picture, and what it leaves out."""

    picture: Picture
    num_hidden_rounds: int
    has_data_edges: bool


def model_picture(checkpoint: Checkpoint) -> LineagePicture:
    """Everything above and below the checkpoint."""
    above = relatives({checkpoint.pk}, "parents")
    below = relatives({checkpoint.pk}, "children")
    return _drawn({checkpoint.pk, *above, *below}, focus=checkpoint.pk)


def learned_picture(learned: Learned) -> LineagePicture | None:
    """What learned from some judgements; None where nothing did."""
    if not learned.snapshots:
        return None
    counts = {use.snapshot.round_id: use.num_judgements for use in learned.snapshots}
    return _drawn({use.checkpoint.pk for use in learned.checkpoints}, counts=counts)


def _drawn(
    ids: set[int], *, focus: int | None = None, counts: Mapping[int, int] | None = None
) -> LineagePicture:
    """The picture of these checkpoints; `counts` has the judgements asked about by round."""
    made = made_by_rounds(ids)
    asked = {round_id for round_id, _, _ in made.values()} | set(counts or {})
    rounds, num_hidden = _shown_rounds(asked, made.get(focus, (None,))[0] if focus else None)
    ids = {pk for pk in ids if pk not in made or made[pk][0] in rounds}
    checkpoints = {each.pk: each for each in Checkpoint.objects.filter(pk__in=ids).order_by("pk")}
    links = list(CheckpointParent.objects.filter(child__in=ids, parent__in=ids).order_by("pk"))
    live: dict[int, list[str]] = {}
    for deployment in Deployment.objects.filter(checkpoint__in=ids, state=Deployment.State.LIVE):
        live.setdefault(deployment.checkpoint_id, []).append(deployment.name)

    outside = [pk for pk in checkpoints if pk not in made]
    bands = [
        Band(
            title=_band_title(each),
            href=reverse("round", args=[each.pk]),
        )
        for each in rounds.values()
    ]
    if outside:
        bands.append(Band(title=_("Made outside rounds")))
    places = {round_id: place for place, round_id in enumerate(rounds)}
    nodes = list(_snapshot_nodes(rounds, places, counts))
    groups = _groups(checkpoints, made, links, keep={focus, *live})
    box_of = {pk: f"model-{members[0]}" for members in groups for pk in members}
    for members in groups:
        nodes.append(
            _model_node([checkpoints[pk] for pk in members], made, places, live, focus, len(bands) - 1)
        )
    edges = _edges(links, box_of, nodes)
    return LineagePicture(
        picture=picture(bands, nodes, edges),
        num_hidden_rounds=num_hidden,
        has_data_edges=any(edge.kind == "data" for edge in edges),
    )


def _band_title(round_: Round) -> str:
    told = {"project": round_.project.name, "number": round_.number, "run": round_.run}
    return (
        _("%(project)s, round %(number)s")
        if round_.run == 1
        else _("%(project)s, round %(number)s, run %(run)s")
    ) % told


def _shown_rounds(asked: Collection[int], focus: int | None) -> tuple[dict[int, Round], int]:
    """The rounds to draw, newest first, and how many are left out: those nearest to the focus stay."""
    found = list(
        Round.objects.select_related("project", "snapshot").filter(pk__in=asked).order_by("-pk")
        if asked
        else []
    )
    place = next((number for number, each in enumerate(found) if each.pk == focus), 0)
    start = max(0, min(place - MAX_BANDS // 2 + 1, len(found) - MAX_BANDS))
    shown = found[start : start + MAX_BANDS]
    return {each.pk: each for each in shown}, len(found) - len(shown)


def _snapshot_nodes(
    rounds: Mapping[int, Round], places: Mapping[int, int], counts: Mapping[int, int] | None
) -> Iterable[Node]:
    for round_ in rounds.values():
        snapshot: Snapshot | None = getattr(round_, "snapshot", None)
        if snapshot is None:
            continue
        total = snapshot.num_train + snapshot.num_holdout
        asked = None if counts is None else counts.get(round_.pk, 0)
        label = (
            ngettext("%(number)s judgement", "%(number)s judgements", total) % {"number": f"{total:,}"}
            if asked is None
            else _("%(asked)s of %(total)s judgements") % {"asked": f"{asked:,}", "total": f"{total:,}"}
        )
        yield Node(
            id=f"data-{round_.pk}",
            band=places[round_.pk],
            column=0,
            label=label,
            note=_("snapshot %(hash)s") % {"hash": snapshot.content_hash[:8]},
            title=_("Snapshot %(hash)s: %(train)s train, %(holdout)s are held out")
            % {
                "hash": snapshot.content_hash[:12],
                "train": f"{snapshot.num_train:,}",
                "holdout": f"{snapshot.num_holdout:,}",
            },
            kind="data",
            focus=bool(asked),
        )


def _groups(
    checkpoints: Mapping[int, Checkpoint],
    made: Made,
    links: Iterable[CheckpointParent],
    keep: Collection[int | None],
) -> list[list[int]]:
    """Checkpoints that share a box: a stage's variants with the same parents and children."""
    parents: dict[int, set[tuple[int, str]]] = {}
    children: dict[int, set[tuple[int, str]]] = {}
    for link in links:
        parents.setdefault(link.child_id, set()).add((link.parent_id, link.role))
        children.setdefault(link.parent_id, set()).add((link.child_id, link.role))
    groups: dict[object, list[int]] = {}
    for pk in checkpoints:
        key: object = pk
        if pk in made and pk not in keep and made[pk][2] != AVERAGE:
            family = (frozenset(parents.get(pk, ())), frozenset(children.get(pk, ())))
            key = (*made[pk][:2], family)
        groups.setdefault(key, []).append(pk)
    # Variants above their average.
    return sorted(groups.values(), key=lambda members: made.get(members[0], (0, "", ""))[2] == AVERAGE)


def _model_node(
    members: list[Checkpoint],
    made: Made,
    places: Mapping[int, int],
    live: Mapping[int, list[str]],
    focus: int | None,
    last_band: int,
) -> Node:
    first = members[0]
    names = ", ".join(each.name for each in members)
    deployed = live.get(first.pk, [])
    if first.pk in made:
        round_id, stage, name = made[first.pk]
        column, band = STAGE_COLUMNS.get(stage, COLUMNS[Checkpoint.Kind(first.kind)]), places[round_id]
        label = _label(column, name, len(members))
    else:
        column, band = COLUMNS[Checkpoint.Kind(first.kind)], last_band
        label = first.name
    note = (
        _("answers as %(name)s") % {"name": ", ".join(deployed)}
        if deployed
        else (first.get_kind_display() if first.pk not in made else first.name)
        if len(members) == 1
        else _("%(number)s variants") % {"number": len(members)}
    )
    return Node(
        id=f"model-{first.pk}",
        band=band,
        column=column,
        label=label,
        note=note,
        title=names + (f" · {_('answers as %(name)s') % {'name': ', '.join(deployed)}}" if deployed else ""),
        kind=KINDS[column],
        href=reverse("model", args=[first.pk]),
        focus=first.pk == focus,
        live=bool(deployed),
    )


def _label(column: int, name: str, num_members: int) -> str:
    """What a round made, in words."""
    if column == STAGE_COLUMNS[Stage.Name.AVERAGING]:
        return _("Policy")
    what = {1: _("Reward model"), 2: _("SFT"), 3: _("DPO")}.get(column, name)
    if name == AVERAGE:
        return _("%(what)s, averaged") % {"what": what}
    if num_members > 1:
        return _("%(what)s, variants") % {"what": what}
    return f"{what}, {name}"


def _edges(links: Iterable[CheckpointParent], box_of: Mapping[int, str], nodes: Iterable[Node]) -> list[Edge]:
    """Lines of descent between boxes, each once, and from each snapshot to what learned from it."""
    listed = list(nodes)
    found: dict[Edge, None] = {}
    entered: set[str] = set()
    for link in links:
        source, target = box_of[link.parent_id], box_of[link.child_id]
        if source != target:
            kind = "data" if link.role in DATA_ROLES else "weights"
            found[Edge(source=source, target=target, kind=kind)] = None  # type: ignore[arg-type]
            if link.role == "averaged":
                entered.add(target)
    snapshots = {node.band: node.id for node in listed if node.kind == "data"}
    for node in listed:
        # An average learns from no data itself.
        if node.column in LEARNING_COLUMNS and node.band in snapshots and node.id not in entered:
            found[Edge(source=snapshots[node.band], target=node.id, kind="data")] = None
    return list(found)
