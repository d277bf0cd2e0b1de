"""The data gate's checks as pages show them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext, gettext_lazy

from alignment.data_gate.checks import DataCheck
from alignment.models import Round, Stage

LABELS = {
    "strong": gettext_lazy("Judgements that train"),
    "agreement": gettext_lazy("Agreement, α of the grades"),
    "gold": gettext_lazy("Right on checks"),
    "coverage": gettext_lazy("Prompts covered"),
    "domains": gettext_lazy("Least covered domain"),
}
STATES = {
    "met": ("passed", gettext_lazy("passes")),
    "missing": ("failed", gettext_lazy("missing")),
    "unmeasured": ("", gettext_lazy("not measured")),
    "not_asked": ("", gettext_lazy("not asked")),
}


@dataclass(frozen=True, kw_only=True)
class CheckRow:
    """One check of a table."""

    label: str
    state: str
    """Of the badge."""
    state_label: str
    value: str
    interval: str
    asked: str
    sentence: str
    """What is missing, or why it was not measured."""


def check_rows(checks: Iterable[DataCheck]) -> list[CheckRow]:
    """The checks as rows."""
    return [_row(check) for check in checks]


def data_gate_shown(round_: Round) -> dict[str, Any] | None:  # Any: of a template
    """The round's data gate: what it measured, and whether it waits; None before there is anything."""
    stage = next((each for each in round_.stages.all() if each.name == Stage.Name.DATA_GATE), None)
    if stage is None or not stage.result.get("checks"):
        return None
    return {
        "stage": stage,
        "waits": stage.state == Stage.State.WAITING,
        "rows": check_rows(DataCheck.model_validate(check) for check in stage.result["checks"]),
        "missing": stage.result["judgements_missing"],
        "no_more": stage.result["no_more"],
    }


def _row(check: DataCheck) -> CheckRow:
    state, label = STATES[check.state]
    interval = (
        ""
        if check.low is None or check.high is None
        else (
            gettext("%(low)s to %(high)s")
            % {"low": _figure(check, check.low), "high": _figure(check, check.high)}
        )
    )
    return CheckRow(
        label=str(LABELS[check.name]),
        state=state,
        state_label=str(label),
        value="–" if check.value is None else _figure(check, check.value),
        interval=interval,
        asked=_asked(check),
        sentence=check.problem or check.note,
    )


def _asked(check: DataCheck) -> str:
    if check.asked is None:
        return "–"
    figure = _figure(check, check.asked)
    return figure if check.name == "strong" else gettext("above %(figure)s") % {"figure": figure}


def _figure(check: DataCheck, value: float) -> str:
    if check.name == "strong":
        return f"{value:,.0f}"
    return f"{value:.2f}" if check.name == "agreement" else f"{value:.0%}"
