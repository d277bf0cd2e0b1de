"""What the scripts of live work say, in the reader's language: they get it from the page."""

from django.utils.translation import gettext as _


def turns_words() -> dict[str, str]:
    """Of turns.js."""
    return {
        "waiting": _("Your dialog goes on: two answers are being written to"),
        "waiting_first": _("Two answers are being written to"),
        "ready": _("Your dialog goes on: two answers are here and come next, to"),
        "ready_first": _("Two answers are here and come next, to"),
        "retry": _("Try again"),
        "drop": _("Drop it"),
        "refused": _("The server did not accept that. Reload the page and try again."),
    }
