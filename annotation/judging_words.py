"""What annotators read on the scale and under "Why", in the reader's language."""

from collections.abc import Iterable

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.records import Strength
from annotation.tags import Tag

STRENGTHS = {
    Strength.SIGNIFICANTLY_BETTER: gettext_lazy("significantly better"),
    Strength.BETTER: gettext_lazy("better"),
    Strength.SLIGHTLY_BETTER: gettext_lazy("slightly better"),
    Strength.MARGINALLY_BETTER: gettext_lazy("marginally better"),
}
"""From the strongest to the weakest."""


def scale() -> list[tuple[int, str, int, str, str]]:
    """The eight steps from left to right: key, side, level (4 is strongest), word under the bar, sentence."""
    labels = (_("Significantly"), _("Better"), _("Slightly"), _("Marginally"))
    falling = list(zip((4, 3, 2, 1), labels, STRENGTHS.values(), strict=True))
    left = [
        ("left", level, label, _("Left answer is %(strength)s") % {"strength": strength})
        for level, label, strength in falling
    ]
    right = [
        ("right", level, label, _("Right answer is %(strength)s") % {"strength": strength})
        for level, label, strength in reversed(falling)
    ]
    return [(key, *step) for key, step in enumerate(left + right, start=1)]


def reasons_offered(tags: Iterable[Tag]) -> list[tuple[str, str]]:
    """Value and label of each reason; those of a new project in the reader's language, others as written."""
    own = {
        "More correct": _("More correct"),
        "Follows the request": _("Follows the request"),
        "More complete": _("More complete"),
        "More to the point": _("More to the point"),
        "Clearer": _("Clearer"),
        "Better format": _("Better format"),
        "Better tone": _("Better tone"),
        "Safer": _("Safer"),
    }
    return [(tag["value"], own.get(tag["label"], tag["label"])) for tag in tags]
