"""Grafana's board as data: `python -m deploy.monitoring.board > accord.json`, to import or provision.

Comes in: the panels below, each a title, a unit and queries. Goes out: the JSON of a dashboard, two panels a
row, whose data source is chosen when it is imported.
"""

import json
import sys
from dataclasses import dataclass
from typing import Any

SOURCE = {"type": "prometheus", "uid": "${source}"}
WIDTH, HEIGHT = 12, 8
"""Of a panel, on Grafana's grid of 24 columns."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One diagram."""

    title: str
    unit: str
    queries: dict[str, str]
    """PromQL by legend."""


PANELS = (
    Panel(
        title="Requests",
        unit="reqps",
        queries={"{{status}}": "sum by (status) (rate(accord_request_seconds_count[5m]))"},
    ),
    Panel(
        title="Time to answer, 95 of 100",
        unit="s",
        queries={
            "all": "histogram_quantile(0.95, sum by (le) (rate(accord_request_seconds_bucket[5m])))",
            "judging": "histogram_quantile(0.95, sum by (le) "
            '(rate(accord_request_seconds_bucket{route=~".*(next|judgement).*"}[5m])))',
        },
    ),
    Panel(
        title="Judgements an hour",
        unit="short",
        queries={"{{project}}": "3600 * sum by (project) (deriv(accord_judgements[30m]))"},
    ),
    Panel(title="People at work", unit="short", queries={"people": "accord_people_active"}),
    Panel(
        title="Open comparisons",
        unit="short",
        queries={"{{project}}": 'sum by (project) (accord_comparisons{state="open"})'},
    ),
    Panel(title="Tasks that wait", unit="short", queries={"{{queue}}": "accord_queue_length"}),
    Panel(title="Stages", unit="short", queries={"{{state}}": 'accord_stages{state!="finished"}'}),
    Panel(title="Programs", unit="short", queries={"{{state}}": 'accord_programs{state!="finished"}'}),
    Panel(title="Cores of programs", unit="short", queries={"{{stage}}": "accord_program_cpu_cores"}),
    Panel(title="Memory of programs", unit="bytes", queries={"{{stage}}": "accord_program_memory_bytes"}),
    Panel(title="GPUs of programs", unit="percentunit", queries={"{{stage}}": "accord_program_gpu_ratio"}),
    Panel(
        title="GPU memory of programs",
        unit="bytes",
        queries={"{{stage}}": "accord_program_gpu_memory_bytes"},
    ),
    Panel(title="Deployments", unit="short", queries={"{{state}}": 'accord_deployments{state!="retired"}'}),
    Panel(
        title="Disk with runs and checkpoints",
        unit="bytes",
        queries={"free": "accord_disk_free_bytes", "size": "accord_disk_size_bytes"},
    ),
)


def board() -> dict[str, Any]:  # Any: JSON
    """The dashboard."""
    return {
        "title": "Accord",
        "uid": "accord",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "source", "type": "datasource", "query": "prometheus"}]},
        "panels": [drawn(place, panel) for place, panel in enumerate(PANELS)],
    }


def drawn(place: int, panel: Panel) -> dict[str, Any]:  # Any: JSON
    """A panel in its place."""
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": panel.title,
        "datasource": SOURCE,
        "gridPos": {"x": WIDTH * (place % 2), "y": HEIGHT * (place // 2), "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(65 + number), "expr": query, "legendFormat": legend, "datasource": SOURCE}
            for number, (legend, query) in enumerate(panel.queries.items())
        ],
    }


if __name__ == "__main__":
    json.dump(board(), sys.stdout, indent=2)
