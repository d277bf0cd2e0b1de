"""Lays out a lineage as a picture: a band for each round, a column for each kind of thing, lines between.

Pure numbers in, coordinates out; `_lineage.html` draws them as SVG. Boxes of one column in one band stand
below each other. Lines run only between boxes: along the gap above a band and the gutter before a column,
each starting column in a lane of its own, so that lines from different places do not merge.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

BOX_WIDTH, BOX_HEIGHT = 172, 46
BOX_GAP = 12
"""Between boxes of one column."""
GUTTER = 46
"""Before each column."""
LANE = 6
BAND_HEAD = 24
"""A band's title."""
BAND_GAP = 40
"""Above a band's title, for lines."""
MARGIN = 10
ARROW = 5
LABEL_WIDTH = 23
"""Of a label, in letters of average width."""
NOTE_WIDTH = 27

EdgeKind = Literal["weights", "data"]


@dataclass(frozen=True, kw_only=True)
class Node:
    """A box."""

    id: str
    band: int
    """Its place among the bands, from above."""
    column: int
    label: str
    note: str
    """The second line."""
    title: str
    """Its whole name, for those who point at it or listen."""
    kind: str
    """Its colour: data, base, reward, sft, dpo or policy."""
    href: str = ""
    focus: bool = False
    live: bool = False


@dataclass(frozen=True, kw_only=True)
class Edge:
    """`target` was made with `source`: from its weights, or with data that it gave or is."""

    source: str
    target: str
    kind: EdgeKind


@dataclass(frozen=True, kw_only=True)
class Band:
    """A row of the picture."""

    title: str
    href: str = ""


@dataclass(frozen=True, kw_only=True)
class DrawnBox:
    """A node with its place."""

    node: Node
    label: str
    """Cut to fit."""
    note: str
    row: int
    """How many boxes of its column stand above it in its band."""
    x: float
    y: float
    width: int = BOX_WIDTH
    height: int = BOX_HEIGHT


@dataclass(frozen=True, kw_only=True)
class DrawnEdge:
    """An edge as a path, with a head that points at the target."""

    kind: EdgeKind
    path: str
    head: str


@dataclass(frozen=True, kw_only=True)
class DrawnBand:
    """A band's title and the ground below it."""

    band: Band
    y: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Picture:
    """All there is to draw."""

    width: float
    height: float
    bands: list[DrawnBand]
    boxes: list[DrawnBox]
    edges: list[DrawnEdge]

    @property
    def ground(self) -> str:
        """How wide the ground of a band is."""
        return f"{self.width - 4:g}"


def picture(bands: Sequence[Band], nodes: Sequence[Node], edges: Sequence[Edge]) -> Picture:
    """Lay out nodes in their bands and columns; `edges` name nodes that are there."""
    columns = sorted({node.column for node in nodes})
    across = {column: MARGIN + GUTTER + place * (BOX_WIDTH + GUTTER) for place, column in enumerate(columns)}
    places: dict[str, DrawnBox] = {}
    drawn_bands: list[DrawnBand] = []
    gaps: list[float] = []
    y = float(MARGIN)
    for number, band in enumerate(bands):
        gaps.append(y)
        top = y + BAND_GAP
        depth: dict[int, int] = {}
        for node in nodes:
            if node.band != number:
                continue
            row = depth.get(node.column, 0)
            depth[node.column] = row + 1
            places[node.id] = DrawnBox(
                node=node,
                label=cut(node.label),
                note=cut(node.note, NOTE_WIDTH),
                row=row,
                x=across[node.column],
                y=top + BAND_HEAD + row * (BOX_HEIGHT + BOX_GAP),
            )
        rows = max(depth.values(), default=1)
        height = BAND_HEAD + rows * (BOX_HEIGHT + BOX_GAP)
        drawn_bands.append(DrawnBand(band=band, y=top, height=height))
        y = top + height
    order = {column: place for place, column in enumerate(columns)}
    return Picture(
        width=2 * MARGIN + len(columns) * (BOX_WIDTH + GUTTER),
        height=y + MARGIN,
        bands=drawn_bands,
        boxes=list(places.values()),
        edges=[_edge(each, places[each.source], places[each.target], gaps, order) for each in edges],
    )


def _edge(
    edge: Edge, source: DrawnBox, target: DrawnBox, gaps: Sequence[float], order: dict[int, int]
) -> DrawnEdge:
    """The way from one box to another along gaps and gutters."""
    lane = order[source.node.column]
    end_y = target.y + BOX_HEIGHT / 2 + (4 if edge.kind == "data" else -4)
    same_band = source.node.band == target.node.band
    if same_band and source.node.column == target.node.column:
        right = source.x + BOX_WIDTH
        start_y = source.y + BOX_HEIGHT / 2
        path = f"M{right:g},{start_y:g} h{LANE + 4} V{end_y:g} H{target.x + BOX_WIDTH:g}"
        return DrawnEdge(kind=edge.kind, path=path, head=_head(target.x + BOX_WIDTH, end_y, -1))
    turn = target.x - GUTTER + 14 + LANE * lane
    steps = order[target.node.column] - order[source.node.column]
    if same_band and steps == 1:
        start_y = source.y + BOX_HEIGHT / 2 + (4 if edge.kind == "data" else -4)
        path = f"M{source.x + BOX_WIDTH:g},{start_y:g} H{turn:g} V{end_y:g} H{target.x:g}"
    else:
        # Out of the box's side where others stand above it, straight up where none does.
        over = gaps[source.node.band] + 8 + LANE * lane
        leave = source.x + BOX_WIDTH - 14 + (LANE if edge.kind == "data" else 0)
        path = f"M{leave:g},{source.y:g} V{over:g} H{turn:g} V{end_y:g} H{target.x:g}"
        if source.row:
            side = source.x + BOX_WIDTH + 6
            path = (
                f"M{source.x + BOX_WIDTH:g},{source.y + BOX_HEIGHT / 2:g} H{side:g} V{over:g} "
                f"H{turn:g} V{end_y:g} H{target.x:g}"
            )
    return DrawnEdge(kind=edge.kind, path=path, head=_head(target.x, end_y, 1))


def _head(x: float, y: float, direction: int) -> str:
    """A triangle whose tip is at (x, y)."""
    back = x - direction * ARROW
    return f"{x:g},{y:g} {back:g},{y - ARROW * 0.7:g} {back:g},{y + ARROW * 0.7:g}"


def cut(text: str, width: int = LABEL_WIDTH) -> str:
    """The text as far as it fits; wide letters count twice."""
    used = 0
    for place, letter in enumerate(text):
        used += 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        if used > width:
            return text[: max(place - 1, 0)].rstrip() + "…"
    return text
