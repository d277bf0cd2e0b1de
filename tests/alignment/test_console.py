"""What the console makes of run folders, recipes and rows: worked by hand."""

import json
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from django.utils import timezone

from alignment.console import run_files
from alignment.console.curves import curve, metric_plots, thinned
from alignment.console.graph import ProgramShown, StageShown, stage_graph
from alignment.console.pace import pace
from alignment.console.problems import problems
from alignment.console.recipe_tables import recipe_tables
from alignment.console.rounds import rounds_detailed
from alignment.models import Program, Round, Stage
from alignment.recipe import tiny
from alignment.running import LEASE
from pretrain.plots import Point
from tests.alignment.factories import make_program, make_round


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_of_a_long_file_a_bounded_part_is_read_from_all_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "metrics.jsonl"
    write_rows(path, [{"kind": "metrics", "step": step, "loss": 1.0} for step in range(50_000)])
    read: list[int] = []
    whole = run_files._read

    def counted(path: Path, start: int, num_bytes: int) -> bytes:
        read.append(num_bytes)
        return whole(path, start, num_bytes)

    monkeypatch.setattr(run_files, "_read", counted)
    steps = [row["step"] for row in run_files.spread_rows(path)]
    assert sum(read) <= 64 * 1024
    assert steps[0] == 0 and steps[-1] == 49_999
    assert steps == sorted(steps)
    assert max(later - earlier for earlier, later in pairwise(steps)) < 1_500


def test_a_line_that_a_crash_cut_off_is_passed_over_and_a_missing_file_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"st\n[1]\n{"step": 2}\n{"step')
    assert [row["step"] for row in run_files.tail_rows(path)] == [1, 2]
    assert run_files.spread_rows(tmp_path / "nothing") == []
    assert run_files.tail_text(tmp_path / "nothing", 100) == ""


def test_the_pace_is_that_of_the_last_two_minutes() -> None:
    def progress(time: float, done: int) -> dict[str, object]:
        return {"kind": "progress", "time": time, "done": done, "total": 400}

    slow_start = [progress(0, 0), progress(1000, 10)]
    now = pace([*slow_start, progress(1050, 110), progress(1100, 210), {"tokens_per_second": 7}])
    assert now.per_second == pytest.approx(2.0)
    assert now.seconds_left == pytest.approx(95.0)
    assert now.tokens_per_second == 7
    assert pace(slow_start[:1]).per_second is None


def test_a_step_that_was_told_twice_counts_as_it_was_told_last() -> None:
    rows = [{"kind": "metrics", "step": step, "loss": loss} for step, loss in ((1, 0.9), (2, 0.8), (2, 0.7))]
    assert curve(rows, "loss") == [Point(x=1, y=0.9), Point(x=2, y=0.7)]
    many = [Point(x=float(at), y=1.0) for at in range(1, 1001)]
    assert len(thinned(many)) <= 162 and thinned(many)[-1] == many[-1]
    (plot,) = metric_plots({"variant-1": rows, "variant-2": []})
    assert [line.name for line in plot.lines] == ["variant-1: 0.7"]


def test_the_recipe_shows_what_differs_from_the_recipe_of_its_name() -> None:
    recipe = tiny().model_dump(mode="json")
    recipe["rejection"]["num_candidates"] = 16
    recipe["dpo"][1]["beta"] = 0.3
    tables = {table.name: table for table in recipe_tables(recipe)}
    changed = {
        (table.name, row.name, place): (cell.text, cell.default)
        for table in tables.values()
        for row in table.rows
        for place, cell in enumerate(row.cells)
        if cell.differs
    }
    assert changed == {
        ("Rejection sampling", "Num candidates", 0): ("16", "10"),
        ("DPO", "Beta", 1): ("0.3", "0.1"),
    }
    assert tables["DPO"].columns == ["Variant 1", "Variant 2"]
    assert recipe_tables({"name": "of another age", "k": 10})[0].rows[1].cells[0].text == "10"


def test_the_graph_keeps_its_boxes_apart_and_inside() -> None:
    programs = [ProgramShown(pk=at, name=f"shard-{at}", state="running", reused=False) for at in range(64)]
    stages = [
        StageShown(
            name=name,
            label=name.label,
            state="running",
            note="5%",
            seconds=None,
            reused=False,
            share=0.5,
            programs=programs,
        )
        for name in Stage.Name
    ]
    graph = stage_graph(stages)
    edges = [(node.x, node.x + graph.node_width) for node in graph.nodes]
    assert all(left[1] < right[0] for left, right in pairwise(edges))
    assert edges[-1][1] <= graph.width
    for node in graph.nodes:
        assert all(node.x <= dot.x <= node.x + graph.node_width and dot.y < graph.height for dot in node.dots)
        assert len(node.dots) + node.more == 64
    assert len(graph.arcs) == 3


@pytest.mark.django_db
def test_a_silent_worker_and_an_empty_queue_are_told_in_sentences(tmp_path: Path) -> None:
    now = timezone.now()
    round_ = make_round()
    stage = round_.stages.get(name=Stage.Name.DPO)
    Stage.objects.filter(pk=stage.pk).update(state=Stage.State.RUNNING, started_at=now - timedelta(minutes=5))
    silent = make_program(tmp_path / "a", "finish", state=Program.State.RUNNING, stage=stage)
    make_program(tmp_path / "b", "finish", state=Program.State.QUEUED, stage=stage)
    Program.objects.filter(pk=silent.pk).update(
        lease_expires_at=now + LEASE - timedelta(seconds=25), started_at=now
    )

    def told(**changed: object) -> list[str]:
        if changed:
            Program.objects.filter(pk=silent.pk).update(**changed)
        found: Round = rounds_detailed().get(pk=round_.pk)
        return [
            problem.title
            for problem in problems(found, list(found.stages.all()), now)
            if "disk" not in problem.title
        ]

    assert told() == ["No sign of life from program-0", "No worker on the queue training"]
    # Somebody works on the queue: what waits there waits its turn.
    assert told(lease_expires_at=now + LEASE) == []
    stood = now - timedelta(minutes=11)
    assert told(progressed_at=stood) == ["program-0 makes no progress"]
    Round.objects.filter(pk=round_.pk).update(state=Round.State.CANCELLED)
    assert told(lease_expires_at=now) == []
