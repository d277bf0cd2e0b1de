"""Diagrams as SVG files that stand alone, drawn for light and for dark.

Comes in: a Plot that `pretrain.plots` scaled, or the parts of another picture. Goes out: SVG. The pages draw
the same Plot by `web/_plot.html`, with the site's colours.
"""

from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from pretrain.plots import DrawnLine, Plot

LEGEND_LINE = 18
TITLE_HEIGHT = 40
"""Room above the box for the title and what is measured upwards."""

COLOURS = {
    1: ("#3f63c9", "#86a8f0"),
    2: ("#b9761c", "#e6b566"),
    3: ("#137f6d", "#4fc2ab"),
    4: ("#b83a72", "#ec8fb4"),
    5: ("#74449c", "#b48fdc"),
    6: ("#7d818c", "#9da2ae"),
}
"""Of each series, on light and on dark ground; as distinguishable as the site's."""


def svg(plot: Plot) -> str:
    """The file's text. Points, lines and intervals as on the pages; the legend stands below."""
    legend = [line for line in plot.lines if line.name]
    height = TITLE_HEIGHT + plot.height + LEGEND_LINE * len(legend) * (len(legend) > 1)
    parts = [
        text(8, 16, plot.title, "title"),
        text(8, 34, plot.y_label),
        f'<g transform="translate(0 {TITLE_HEIGHT})">',
    ]
    for tick in plot.y_ticks:
        parts.append(f'<path class="grid" d="M{plot.left},{tick.at} H{plot.right}"/>')
        parts.append(text(plot.left - 6, tick.at + 4, tick.label, anchor="end"))
    parts += [text(tick.at, plot.bottom + 16, tick.label, anchor="middle") for tick in plot.x_ticks]
    parts.append(text(plot.right, plot.height - 6, plot.x_label, anchor="end"))
    for line in plot.lines:
        parts += drawn(line)
    parts.append("</g>")
    if len(legend) > 1:
        for place, line in enumerate(legend):
            y = TITLE_HEIGHT + plot.height + LEGEND_LINE * place + 6
            parts.append(f'<circle class="series-{line.series}" cx="14" cy="{y}" r="4"/>')
            parts.append(text(26, y + 4, line.name))
    return document(plot.title, plot.width, height, parts)


def document(title: str, width: int, height: int, parts: Sequence[str]) -> str:
    """The whole file: its parts on a ground of its own, with the colours of `style`."""
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label={quoteattr(title)}>',
        f"<style>{style()}</style>",
        f'<rect class="ground" width="{width}" height="{height}"/>',
    ]
    return "\n".join([*head, *parts, "</svg>"]) + "\n"


def drawn(line: DrawnLine) -> list[str]:
    """A line with its points and their intervals."""
    series = f'class="series-{line.series}"'
    parts = [f'<path {series} fill="none" d="{line.path}"/>'] if line.path else []
    for point in line.points:
        if point.top is not None:
            parts.append(f'<path {series} d="M{point.x},{point.top} V{point.bottom}"/>')
        parts.append(f'<circle {series} cx="{point.x}" cy="{point.y}" r="{point.radius}"/>')
    return parts


def text(x: float, y: float, content: str, kind: str = "", anchor: str = "start") -> str:
    """A line of text; `anchor` says which of its points stands at x."""
    shown = f' class="{kind}"' if kind else ""
    return f'<text{shown} x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(content)}</text>'


def style() -> str:
    """Colours for light ground, and for dark where the reader prefers it."""

    def rules(dark: bool) -> str:
        ground, ink, grid = ("#16181d", "#c9ccd4", "#33363f") if dark else ("#ffffff", "#4a4e5a", "#dfe1e7")
        series = "".join(
            f"path.series-{number}{{stroke:{pair[dark]}}}circle.series-{number}{{fill:{pair[dark]}}}"
            for number, pair in COLOURS.items()
        )
        return f".ground{{fill:{ground}}}text{{fill:{ink}}}.grid{{stroke:{grid}}}{series}"

    return (
        "text{font:11px system-ui,sans-serif}.title{font-weight:600;font-size:12px}"
        "path{stroke-width:1.5;fill:none}.grid{stroke-width:1}"
        ".on-pale{fill:#16181d}.on-strong{fill:#ffffff}"
        f"{rules(False)}@media(prefers-color-scheme:dark){{{rules(True)}}}"
    )
