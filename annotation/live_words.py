"""What the comparison page tells the scripts of live work: words in the reader's language, and choices."""

from django.db.models import Count
from django.utils.translation import gettext as _

from annotation.models import Project, Prompt


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


def prompt_groups(project: Project) -> dict[str, object]:
    """Domains and languages that a first prompt may have: those of the project's prompts, most first."""

    def most_first(field: str) -> list[str]:
        rows = Prompt.objects.filter(project=project).order_by().values_list(field)
        counted = rows.annotate(num=Count("pk")).order_by("-num", field)
        return [value for value, _num in counted]

    return {
        "domains": most_first("domain") or ["general"],
        "languages": most_first("language") or ["en"],
    }
