"""`{% load web %}`: how numbers, times and states look on every page, and the bar chart."""

import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from django import template
from django.forms import BoundField
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import SafeString
from django.utils.translation import pgettext

from web.bundles import bundle as bundle_find

register = template.Library()


@register.filter
def duration(seconds: float | timedelta | None) -> str:
    """Seconds in words, two units at most: "45 s", "3 min 20 s", "2 h 5 min", "3 d 4 h"."""
    if seconds is None:
        return "–"
    total = round(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)
    if total < 60:
        return f"{max(total, 0)} {pgettext('time', 's')}"
    for size, unit, smaller, smaller_unit in (
        (86_400, pgettext("time", "d"), 3_600, pgettext("time", "h")),
        (3_600, pgettext("time", "h"), 60, pgettext("time", "min")),
        (60, pgettext("time", "min"), 1, pgettext("time", "s")),
    ):
        if total >= size:
            rest = total % size // smaller
            return f"{total // size} {unit}" + (f" {rest} {smaller_unit}" if rest else "")
    raise AssertionError(total)


@register.filter
def count(number: float | None) -> str:
    """A number with thousands apart: "12,480"; a dash for None."""
    return "–" if number is None else f"{number:,}"


@register.filter
def rate(number: float | None) -> str:
    """How many a second: "12,480", "31", "3.2", "0.045"; a dash for None."""
    if number is None:
        return "–"
    return f"{number:,.0f}" if abs(number) >= 10 else f"{number:.2g}"


@register.filter
def percent(share: float | None) -> str:
    """A share as "71.4%"; a dash for None."""
    return "–" if share is None else f"{100 * share:.1f}%"


@register.filter
def words(value: str | None) -> str:
    """A value of the database as words: "significantly_better" becomes "Significantly better"."""
    return (value or "").replace("_", " ").capitalize()


@register.filter
def latest(messages: Sequence[dict[str, str]]) -> str:
    """The text of a context's last message."""
    return messages[-1]["content"] if messages else ""


@register.filter
def dressed(field: BoundField) -> SafeString:
    """A form field's widget with the look of all of them."""
    classes = {"input", *str(field.field.widget.attrs.get("class", "")).split()}
    return field.as_widget(attrs={"class": " ".join(sorted(classes))})


@register.filter
def initials(name: str | None) -> str:
    """Two letters for an avatar."""
    parts = [part for part in re.split(r"[\W_]+", name or "") if part]
    letters = parts[0][:1] + parts[1][:1] if len(parts) > 1 else (parts[0][:2] if parts else "?")
    return letters.upper()


@register.simple_tag
def bundle(path: str) -> str:
    """The address of a style sheet or module with all that it imports; changes when one of them does."""
    return reverse("bundle", args=[bundle_find(path).digest, path])


@register.inclusion_tag("web/_nav_link.html", takes_context=True)
def nav_link(context: template.Context, view_name: str, label: str) -> dict[str, str | bool]:
    """A link of the header, marked as current on its page and below it; none if there is no such view."""
    request: HttpRequest | None = context.get("request")
    try:
        url = reverse(view_name)
    except NoReverseMatch:
        return {"url": ""}
    path = request.path if request else ""
    return {"url": url, "label": label, "current": path == url or (url != "/" and path.startswith(url))}


@register.inclusion_tag("web/_tab_link.html", takes_context=True)
def tab_link(
    context: template.Context, view_name: str, argument: str, label: str, number: int | None = None
) -> dict[str, Any]:  # Any: of a template
    """A tab: a link that is marked as current on exactly its page, with a count if there is one."""
    url = reverse(view_name, args=[argument])
    return {"url": url, "label": label, "number": number, "current": context["request"].path == url}


@register.inclusion_tag("web/_bar_chart.html")
def bar_chart(
    rows: Iterable[tuple[Any, ...]], title: str = ""
) -> dict[str, Any]:  # Any: (label, value[, series])
    """Horizontal bars as inline SVG. Rows are (label, value) or (label, value, series)."""
    listed = [(row[0], row[1], row[2] if len(row) > 2 else 1) for row in rows]
    largest = max((value for _, value, _ in listed), default=0) or 1
    bars = [
        {
            "label": label,
            "value": count(value),
            "series": series,
            "width": f"{max(100 * value / largest, 0.5 if value else 0):.1f}",
        }
        for label, value, series in listed
    ]
    return {"bars": bars, "title": title}
