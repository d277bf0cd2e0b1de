"""The picture of a needle test: length across, depth down, the part of needles found as colour and number.

Comes in: cells. Goes out: SVG, for light and dark pages.
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from pretrain.needles import Cell
from pretrain.svg import document, text

CELL_WIDTH, CELL_HEIGHT = 64, 30
LEFT, TOP, RIGHT, BOTTOM = 60, 48, 12, 40
NOTHING, ALL = (178, 24, 43), (33, 102, 172)
"""Red to blue, told apart also without red and green; the number says the same."""
WHITE = (247, 247, 247)


def needle_svg(cells: Sequence[Cell], title: str = "Needles found, by length and depth") -> str:
    """The picture; cells may come in any order."""
    lengths = sorted({cell.length for cell in cells})
    depths = sorted({cell.depth for cell in cells})
    width = max(LEFT + CELL_WIDTH * len(lengths), LEFT + 7 * len(title)) + RIGHT
    height = TOP + CELL_HEIGHT * len(depths) + BOTTOM
    parts = [
        text(8, 16, title, "title"),
        text(LEFT, height - 6, "tokens of the text"),
        text(LEFT - 8, TOP - 6, "depth", anchor="end"),
    ]
    for row, depth in enumerate(depths):
        middle = TOP + CELL_HEIGHT * row + CELL_HEIGHT // 2 + 4
        parts.append(text(LEFT - 8, middle, f"{depth:.0%}", anchor="end"))
    for column, length in enumerate(lengths):
        middle = LEFT + CELL_WIDTH * column + CELL_WIDTH // 2
        parts.append(text(middle, TOP + CELL_HEIGHT * len(depths) + 16, f"{length:,}", anchor="middle"))
    for cell in cells:
        parts += drawn(cell, LEFT + CELL_WIDTH * lengths.index(cell.length), depths.index(cell.depth))
    return document(title, width, height, parts)


def drawn(cell: Cell, left: int, row: int) -> list[str]:
    """A cell with its number, and what it says in words."""
    top = TOP + CELL_HEIGHT * row
    red, green, blue = colour(cell.recall)
    words = (
        f"{cell.length:,} tokens, depth {cell.depth:.0%}: {cell.recall:.0%} of {cell.num_trials} found, "
        f"{cell.margin:.2f} nats above the best other value"
    )
    ink = "on-pale" if 0.2 < cell.recall < 0.8 else "on-strong"
    return [
        f'<rect x="{left}" y="{top}" width="{CELL_WIDTH - 2}" height="{CELL_HEIGHT - 2}" '
        f'fill="rgb({red},{green},{blue})"><title>{escape(words)}</title></rect>',
        text(left + CELL_WIDTH // 2 - 1, top + CELL_HEIGHT // 2 + 3, f"{cell.recall:.0%}", ink, "middle"),
    ]


def colour(part: float) -> tuple[int, int, int]:
    """From NOTHING over white to ALL."""
    end, strength = (ALL, 2 * part - 1) if part >= 0.5 else (NOTHING, 1 - 2 * part)
    red, green, blue = (round(w + (e - w) * strength) for w, e in zip(WHITE, end, strict=True))
    return red, green, blue
