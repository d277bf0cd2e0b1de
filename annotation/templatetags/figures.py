"""`{% load figures %}`: figures with their intervals, as the quality page draws them."""

from django import template

from annotation.agreement.bias import Share
from annotation.agreement.krippendorff import Interval
from annotation.figures.charts import RangeMark, range_mark

LEAST_ALPHA = -0.2

register = template.Library()


@register.inclusion_tag("annotation/_figure.html")
def alpha_figure(interval: Interval | None) -> dict[str, str | RangeMark | None]:
    """Krippendorff's α from below chance to perfect; "not defined" for None."""
    if interval is None:
        return {"value": None}
    mark = range_mark(interval.value, interval.low, interval.high, least=LEAST_ALPHA, zero=0.0)
    between = "" if interval.low is None else f"{kappa(interval.low)} to {kappa(interval.high)}"
    return {"value": kappa(interval.value), "between": between, "mark": mark}


@register.inclusion_tag("annotation/_figure.html")
def share_figure(share: Share | None, zero: float, stands_out: bool = False) -> dict[str, object]:
    """A share from none to all, with the one that would mean nothing; "not defined" for None."""
    if share is None:
        return {"value": None}
    mark = range_mark(share.value, share.low, share.high, least=0.0, zero=zero)
    between = f"{100 * share.low:.0f} to {100 * share.high:.0f}%"
    return {
        "value": f"{100 * share.value:.0f}%",
        "between": between,
        "mark": mark,
        "stands_out": stands_out,
    }


@register.filter
def in_percent(share: Share | None) -> str:
    """A share without its interval; a dash for None."""
    return "–" if share is None else f"{100 * share.value:.1f}%"


@register.filter
def kappa(value: float | None) -> str:
    """A κ with two digits, or that it is not defined."""
    return "not defined" if value is None else f"{value:.2f}".replace("-", "−")


@register.filter
def one_decimal(value: float | None) -> str:
    """A mean with one digit and thousands apart; a dash for None."""
    return "–" if value is None else f"{value:,.1f}"


@register.filter
def hundredths(share: float) -> str:
    """A share in percent with two digits, as the recipe's table has it."""
    return f"{100 * share:.2f}"


@register.filter
def money(amount: float | None, currency: str) -> str:
    """An amount with two digits and its currency; a dash for None."""
    return "–" if amount is None else f"{amount:,.2f} {currency}".rstrip()
