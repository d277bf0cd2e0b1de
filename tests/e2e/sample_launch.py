"""What a launch can be forecast from: a base with weights, and a round whose forecast is kept."""

from datetime import timedelta
from pathlib import Path

from django.utils import timezone

from alignment.forecast.figures import Forecast, Span, StageForecast, total
from alignment.forecast.forecasting import forecast_keep
from alignment.models import Round, Stage
from registry.models import Checkpoint
from tests.alignment.forecast.test_work import write_weights

HOURS = {
    "reward_model": 2.4,
    "rejection_sampling": 5.1,
    "sft": 3.0,
    "dpo": 1.2,
    "averaging": 0.02,
    "evaluation": 0.8,
}
"""What the earlier round's stages were forecast to take, in hours."""
TOOK = {"reward_model": 2.6, "rejection_sampling": 12.4, "sft": 2.1, "dpo": 1.25, "averaging": 0.02}

MISSING = (
    "142 more strong judgements are needed: 58 can train and snapshot.min_judgements asks for 200; at this "
    "week's pace in 3 days."
)
NOT_MEASURED = "3 judgements of checks, and 20 are needed to measure it."


def make_forecasts(earlier: Round) -> None:
    """The earlier round's forecast with what its stages took; and weights for the base of the next one."""
    base = Checkpoint.objects.get(name="small-base")
    write_weights(Path(base.path), {"model.embed_tokens.weight": [32_000, 512], "rest": [90_000, 512]})
    stages = [
        StageForecast(
            stage=name,
            seconds=Span(expected=hours, low=hours / 1.8, high=hours * 2.1).times(3600),
            basis="history",
            num_rounds=3,
            disk_bytes=1_900_000_000,
        )
        for name, hours in HOURS.items()
    ]
    forecast_keep(
        earlier,
        Forecast(
            stages=tuple(stages),
            seconds=total([stage.seconds for stage in stages]),
            disk_bytes=11_400_000_000,
            disk_peak=14_000_000_000,
            disk_free=400_000_000_000,
        ),
    )
    now = timezone.now()
    for name, hours in TOOK.items():
        earlier.stages.filter(name=name).update(started_at=now - timedelta(hours=hours), finished_at=now)
    override = {"by": "maria.keller", "reason": "A trial of the new guidelines, not to be deployed."}
    checks = [
        {"name": "strong", "state": "missing", "value": 58, "asked": 200, "problem": MISSING},
        {"name": "agreement", "state": "met", "value": 0.41, "low": 0.33, "high": 0.49, "asked": 0.2},
        {
            "name": "gold",
            "state": "unmeasured",
            "asked": 0.6,
            "note": NOT_MEASURED,
        },
        {"name": "coverage", "state": "not_asked", "value": 0.31},
        {"name": "domains", "state": "met", "value": 0.12, "asked": 0.0},
    ]
    found = {"checks": checks, "problems": [MISSING], "judgements_missing": 284, "no_more": ""}
    earlier.stages.filter(name=Stage.Name.DATA_GATE).update(result={**found, "override": override})
