"""`{% load documents %}`: hostile texts, values and shares as the pages of document reviews show them."""

from django import template

from annotation.agreement.bias import Share
from reviewing.texts import displayed

register = template.Library()
register.filter("displayed", displayed)


@register.filter
def beginning(text: str) -> str:
    """The first 300 characters, for a list of samples."""
    return displayed(text[:300]) + ("…" if len(text) > 300 else "")


@register.filter
def value(number: float | None) -> str:
    """A measure with four digits; a dash for None."""
    return "–" if number is None else f"{number:,.4g}"


@register.filter
def estimate(number: float | None) -> str:
    """How many documents of the corpus, whole."""
    return "–" if number is None else f"{round(number):,}"


@register.filter
def between(share: Share | None) -> str:
    """A share's interval; nothing for None."""
    return "" if share is None else f"{100 * share.low:.0f}–{100 * share.high:.0f}%"
