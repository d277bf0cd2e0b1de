"""The graph of a round's stages as coordinates: boxes from left to right, and what flows past them. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

NODE_WIDTH, NODE_HEIGHT, GAP = 100, 74, 12
TOP = 58
"""Room for the arcs of what skips stages."""
DOT, DOTS_IN_ROW, MOST_DOTS = 10, 9, 18
BOTTOM = 30

FLOWS = (
    ("snapshot", "sft", 0),
    ("snapshot", "dpo", 1),
    ("reward_model", "evaluation", 2),
)
"""(from, to, height of the arc): edited answers, newest judgements, and the judge of the evaluation."""


@dataclass(frozen=True, kw_only=True)
class ProgramShown:
    """A program of a stage."""

    pk: int
    name: str
    state: str
    reused: bool


@dataclass(frozen=True, kw_only=True)
class StageShown:
    """A stage as the graph needs it."""

    name: str
    label: str
    state: str
    note: str
    """How far it is, where it says so."""
    seconds: float | None
    """What it took, once it has ended."""
    reused: bool
    """Everything in it was computed before."""
    share: float
    """Of it that is done, 0 to 1."""
    programs: Sequence[ProgramShown]


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A program as a small circle."""

    x: float
    y: float
    program: ProgramShown


@dataclass(frozen=True, kw_only=True)
class Word:
    """A line of text."""

    y: float
    text: str


@dataclass(frozen=True, kw_only=True)
class Node:
    """A stage as a box."""

    x: float
    y: float
    middle: float
    stage: StageShown
    words: list[Word]
    """Its name, a line each."""
    note_y: float
    """Where its time is written."""
    foot: float
    """Where the bar of what is done lies."""
    dots: list[Dot]
    more: int
    """Programs without a dot."""
    filled: float
    """Width of the part of the box's foot that is done."""


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A picture of WIDTH by HEIGHT."""

    width: int
    height: int
    nodes: list[Node]
    lines: list[str]
    """Paths between neighbours."""
    arcs: list[str]
    node_width: int = NODE_WIDTH
    node_height: int = NODE_HEIGHT


def stage_graph(stages: Sequence[StageShown]) -> Graph:
    """Lay the stages out, in order."""
    nodes = [_node(place, stage) for place, stage in enumerate(stages)]
    by_name = {node.stage.name: node for node in nodes}
    middle = TOP + NODE_HEIGHT / 2
    lines = [f"M{left.x + NODE_WIDTH},{middle} H{right.x}" for left, right in pairwise(nodes)]
    arcs = []
    for start, end, level in FLOWS:
        if start in by_name and end in by_name:
            # From the right half of the one into the left half of the other, so that arcs do not meet.
            x1, x2 = by_name[start].middle + 16 + 10 * (level % 2), by_name[end].middle - 14
            height = TOP - 14 - 16 * level
            arcs.append(
                f"M{x1},{TOP} V{height + 8} Q{x1},{height} {x1 + 8},{height} "
                f"H{x2 - 8} Q{x2},{height} {x2},{height + 8} V{TOP}"
            )
    width = len(nodes) * (NODE_WIDTH + GAP) - GAP + 2
    return Graph(width=width, height=TOP + NODE_HEIGHT + BOTTOM, nodes=nodes, lines=lines, arcs=arcs)


def _node(place: int, stage: StageShown) -> Node:
    x = 1.0 + place * (NODE_WIDTH + GAP)
    lines = _wrapped(stage.label)
    first = TOP + (31 if len(lines) == 1 else 25)
    shown = list(stage.programs)[:MOST_DOTS]
    rows = [shown[start : start + DOTS_IN_ROW] for start in range(0, len(shown), DOTS_IN_ROW)]
    dots = [
        Dot(x=x + 6 + DOT * column, y=TOP + NODE_HEIGHT + 10 + 11 * row, program=program)
        for row, programs in enumerate(rows)
        for column, program in enumerate(programs)
    ]
    return Node(
        x=x,
        y=TOP,
        middle=x + NODE_WIDTH / 2,
        stage=stage,
        words=[Word(y=first + 15 * line, text=text) for line, text in enumerate(lines)],
        note_y=TOP + NODE_HEIGHT - 16,
        foot=TOP + NODE_HEIGHT - 5,
        dots=dots,
        more=len(stage.programs) - len(shown),
        filled=round((NODE_WIDTH - 2) * min(max(stage.share, 0.0), 1.0), 1),
    )


def _wrapped(label: str) -> list[str]:
    """A name of two words that is too long for the box, on two lines."""
    first, _, rest = label.partition(" ")
    return [first, rest] if rest and len(label) > 13 else [label]
