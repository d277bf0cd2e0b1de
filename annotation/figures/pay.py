"""What the work costs, and whether it is fairly paid by the time that people really spend. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

SECONDS_AN_HOUR = 3600


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What a project pays: for each judgement, for each active hour, or both."""

    currency: str
    per_judgement: Decimal | None
    per_hour: Decimal | None
    fair_per_hour: Decimal | None
    """The least that an active hour is to bring."""

    @property
    def is_known(self) -> bool:
        """Whether there is anything to reckon with."""
        return self.per_judgement is not None or self.per_hour is not None


@dataclass(frozen=True, kw_only=True)
class Work:
    """One person's, or everybody's."""

    name: str
    num_judgements: int
    num_timed: int
    """Those of them whose time is known."""
    active_seconds: float


@dataclass(frozen=True, kw_only=True)
class Pay:
    """What one person's work has brought."""

    work: Work
    total: float
    per_hour: float | None
    """Of active time; None where no time is known."""
    is_unfair: bool


def pay_of(work: Work, rates: Rates) -> Pay:
    """Hours are those of the judgements whose time is known, scaled to all of them."""
    hours = work.active_seconds / SECONDS_AN_HOUR
    if work.num_timed:
        hours *= work.num_judgements / work.num_timed
    by_piece = work.num_judgements * float(rates.per_judgement or 0)
    by_time = hours * float(rates.per_hour or 0)
    per_hour = (by_piece + by_time) / hours if hours else None
    return Pay(
        work=work,
        total=by_piece + by_time,
        per_hour=per_hour,
        is_unfair=per_hour is not None and per_hour < float(rates.fair_per_hour or 0),
    )


def pay_of_all(people: Sequence[Work], rates: Rates) -> list[Pay]:
    """Everybody's, the least for an hour first, those without a known time last."""
    paid = [pay_of(work, rates) for work in people]
    return sorted(paid, key=lambda pay: (pay.per_hour is None, pay.per_hour or 0.0, pay.work.name))
