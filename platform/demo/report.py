"""The demo's table of results: what each round used, what its reward model and its policy are worth.

Comes in: each round's report (of `launch_round --json`) and its gold win rates. Goes out: the JSON that
`make demo --json` writes, and the same as a table for people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from annotation.records import Strength

Figures = Mapping[str, Any]
"""Any: JSON figures."""


@dataclass(frozen=True, kw_only=True)
class RoundRow:
    """One finished round."""

    report: Figures
    """What `launch_round --json` wrote."""
    win_rates: Figures
    """{"over_previous", "over_base"} by the gold preference."""


def demo_report(seed: int, seconds: float, rows: Sequence[RoundRow]) -> dict[str, Any]:  # Any: JSON
    """What `make demo --json` writes."""
    return {"seed": seed, "seconds": round(seconds, 1), "rounds": [_round(row) for row in rows]}


def print_report(report: Figures, console: Console) -> None:
    """Show the report as tables: results, then the seconds of each stage."""
    console.print(_results(report))
    console.print(_seconds(report))
    console.print(f"Seed {report['seed']}, {_duration(report['seconds'])} in all.")


def _round(row: RoundRow) -> dict[str, Any]:  # Any: JSON
    accuracy = row.report["evaluation"].get("reward_model") or {}
    return {
        "round": row.report["round"],
        "judgements": row.report["judgements"],
        "reward_accuracy": {
            "overall": accuracy.get("accuracy"),
            "by_strength": {
                strength: figures["accuracy"] for strength, figures in accuracy.get("by_strength", {}).items()
            },
            "low": accuracy.get("low"),
            "high": accuracy.get("high"),
        },
        "win_rate": dict(row.win_rates),
        "tokens": dict(row.report["tokens"]),
        "stages": dict(row.report["stages"]),
    }


def _results(report: Figures) -> Table:
    table = Table(title="What people's judgements did to the model", title_justify="left")
    table.add_column("")
    for each in report["rounds"]:
        table.add_column(f"round {each['round']}", justify="right")
    rounds = report["rounds"]
    table.add_row("judgements", *(f"{each['judgements']:,}" for each in rounds))
    table.add_row("reward accuracy", *(_accuracy(each["reward_accuracy"]) for each in rounds))
    for strength in Strength:
        table.add_row(f"  {_words(strength)}", *(_part(_of_strength(each, strength)) for each in rounds))
    table.add_row("gold win rate over the round before", *(_rate(each, "over_previous") for each in rounds))
    table.add_row("gold win rate over the base", *(_rate(each, "over_base") for each in rounds))
    table.add_row("tokens sampled", *(f"{each['tokens']['sampled']:,}" for each in rounds))
    table.add_row("tokens trained", *(f"{each['tokens']['trained']:,}" for each in rounds))
    return table


def _seconds(report: Figures) -> Table:
    rounds = report["rounds"]
    table = Table(title="Seconds of each stage", title_justify="left")
    table.add_column("")
    for each in rounds:
        table.add_column(f"round {each['round']}", justify="right")
    for stage in dict.fromkeys(stage for each in rounds for stage in each["stages"]):
        table.add_row(_words(stage), *(_stage_seconds(each["stages"].get(stage)) for each in rounds))
    table.add_row("all", *(_stage_seconds(sum(each["stages"].values())) for each in rounds))
    return table


def _of_strength(each: Figures, strength: str) -> float | None:
    value: float | None = each["reward_accuracy"]["by_strength"].get(strength)
    return value


def _accuracy(accuracy: Figures) -> str:
    if accuracy["overall"] is None:
        return "–"
    return f"{accuracy['overall']:.3f}  [{accuracy['low']:.3f}, {accuracy['high']:.3f}]"


def _rate(each: Figures, over: str) -> str:
    rate = each["win_rate"][over]
    return f"{rate['value']:.3f}  [{rate['low']:.3f}, {rate['high']:.3f}]"


def _part(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _stage_seconds(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.0f}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
