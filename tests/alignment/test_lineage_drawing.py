"""The lineage's layout: bands below each other, lines only between boxes."""

import re
from itertools import pairwise

from alignment.lineage_drawing import BOX_HEIGHT, BOX_WIDTH, Band, Edge, Node, Picture, cut, picture


def node(name: str, band: int, column: int) -> Node:
    return Node(id=name, band=band, column=column, label=name, note="", title=name, kind="sft")


def drawn() -> Picture:
    nodes = [
        node(f"{what}{band}-{place}", band, column)
        for band in range(3)
        for column, what in enumerate("abcd")
        for place in range(2)
    ]
    edges = [
        Edge(source=source.id, target=target.id, kind="data")
        for source in nodes
        for target in nodes
        if source.band > target.band or (source.band == target.band and source.column < target.column)
    ]
    return picture([Band(title=f"round {band}") for band in range(3)], nodes, edges)


def corners(path: str) -> list[tuple[float, float]]:
    """The corners of a path of M, H, V and h."""
    points: list[tuple[float, float]] = []
    for command, numbers in re.findall(r"([MHVh])([-\d.,]+)", path):
        values = [float(each) for each in numbers.split(",")]
        x, y = points[-1] if points else (0.0, 0.0)
        points.append(
            (values[0], values[1])
            if command == "M"
            else (values[0], y)
            if command == "H"
            else (x, values[0])
            if command == "V"
            else (x + values[0], y)
        )
    return points


def test_boxes_and_bands_do_not_overlap() -> None:
    found = drawn()
    for each in found.boxes:
        for other in found.boxes:
            if each is not other:
                apart_x = each.x + BOX_WIDTH <= other.x or other.x + BOX_WIDTH <= each.x
                apart_y = each.y + BOX_HEIGHT <= other.y or other.y + BOX_HEIGHT <= each.y
                assert apart_x or apart_y, (each.node.id, other.node.id)
    assert all(upper.y + upper.height < lower.y for upper, lower in pairwise(found.bands))
    assert max(each.x + BOX_WIDTH for each in found.boxes) <= found.width


def test_no_line_runs_through_a_box() -> None:
    found = drawn()
    assert found.edges
    for edge in found.edges:
        for (x, y), (to_x, to_y) in pairwise(corners(edge.path)):
            left, right = sorted((x, to_x))
            top, bottom = sorted((y, to_y))
            for box in found.boxes:
                inside_x = left < box.x + BOX_WIDTH and right > box.x
                inside_y = top < box.y + BOX_HEIGHT and bottom > box.y
                assert not (inside_x and inside_y), (edge.path, box)


def test_long_names_are_cut_and_wide_letters_count_twice() -> None:
    assert cut("short") == "short"
    assert cut("a" * 40, 10) == "a" * 9 + "…"
    assert cut("模" * 40, 10) == "模" * 4 + "…"
