"""What the comparison page calls the two answers where it asks whether they are unsafe."""

from django.utils.translation import gettext as _


def safety_sides() -> list[tuple[str, str]]:
    """Side and legend."""
    return [("left", _("The left answer has")), ("right", _("The right answer has"))]
