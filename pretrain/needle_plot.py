"""The picture of a needle test: length across, depth down, the part of needles found as colour and number.

Comes in: cells. Goes out: an SVG with a ground of its own, for light and dark pages.
"""

from collections.abc import Sequence

from pretrain.needles import Cell

CELL_WIDTH, CELL_HEIGHT = 64, 30
LEFT, TOP, RIGHT, BOTTOM = 60, 34, 12, 40
NOTHING, ALL = (178, 24, 43), (33, 102, 172)
"""Red to blue, told apart also without red and green; the number says the same."""
WHITE = (247, 247, 247)


def needle_svg(cells: Sequence[Cell], title: str = "Needles found, by length and depth") -> str:
    """The picture; cells may come in any order."""
    lengths = sorted({cell.length for cell in cells})
    depths = sorted({cell.depth for cell in cells})
    width = LEFT + CELL_WIDTH * len(lengths) + RIGHT
    height = TOP + CELL_HEIGHT * len(depths) + BOTTOM
    width = max(width, LEFT + RIGHT + 7 * len(title))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" font-family="sans-serif" font-size="12">',
        f"<title>{title}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        text(LEFT, 20, title, anchor="start"),
        text(LEFT, height - 6, "tokens of the text", anchor="start"),
        text(LEFT - 8, TOP - 6, "depth", anchor="end"),
    ]
    for row, depth in enumerate(depths):
        middle = TOP + CELL_HEIGHT * row + CELL_HEIGHT // 2 + 4
        parts.append(text(LEFT - 8, middle, f"{depth:.0%}", anchor="end"))
    for column, length in enumerate(lengths):
        middle = LEFT + CELL_WIDTH * column + CELL_WIDTH // 2
        parts.append(text(middle, TOP + CELL_HEIGHT * len(depths) + 16, f"{length:,}"))
    for cell in cells:
        left = LEFT + CELL_WIDTH * lengths.index(cell.length)
        top = TOP + CELL_HEIGHT * depths.index(cell.depth)
        red, green, blue = colour(cell.recall)
        ink = "#111111" if 0.2 < cell.recall < 0.8 else "#ffffff"
        parts.append(
            f'<rect x="{left}" y="{top}" width="{CELL_WIDTH - 2}" height="{CELL_HEIGHT - 2}" '
            f'fill="rgb({red},{green},{blue})"><title>{cell.length:,} tokens, depth {cell.depth:.0%}: '
            f"{cell.recall:.0%} of {cell.num_trials} found, {cell.margin:.2f} nats above the best other value"
            "</title></rect>"
        )
        across, down = left + CELL_WIDTH // 2 - 1, top + CELL_HEIGHT // 2 + 3
        parts.append(text(across, down, f"{cell.recall:.0%}", fill=ink))
    return "\n".join([*parts, "</svg>\n"])


def colour(part: float) -> tuple[int, int, int]:
    """From NOTHING over white to ALL."""
    end, strength = (ALL, 2 * part - 1) if part >= 0.5 else (NOTHING, 1 - 2 * part)
    red, green, blue = (round(w + (e - w) * strength) for w, e in zip(WHITE, end, strict=True))
    return red, green, blue


def text(x: int, y: int, words: str, *, anchor: str = "middle", fill: str = "#111111") -> str:
    """A line of text."""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{fill}">{words}</text>'
