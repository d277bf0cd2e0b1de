"""What takes the disk, for site admins."""

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.auth import signed_in
from upkeep.measuring import Usage, disk_report_recent

MOST_PLACES = 50
KINDS = {
    "weights": gettext_lazy("Weights"),
    "optimizer states": gettext_lazy("Optimizer states"),
    "data and answers": gettext_lazy("Data and answers"),
    "logs and metrics": gettext_lazy("Logs and metrics"),
    "other": gettext_lazy("Other"),
}


@login_required
@never_cache
@require_GET
def disk(request: HttpRequest) -> HttpResponse:
    """By kind of file, and by folder, project and round: the largest first."""
    if not signed_in(request).is_admin:
        raise PermissionDenied(_("What takes the disk is for admins of the whole site."))
    report = disk_report_recent()
    places = [("/".join(filter(None, place)) or "var", usage) for place, usage in report.by_place.items()]
    context = {
        "at": report.at,
        "tiles": [(_("Database"), report.database_bytes), (_("Free"), report.free_bytes)],
        "kinds": [(KINDS[kind], usage) for kind, usage in _largest(list(report.by_kind.items()))],
        "places": _largest(places)[:MOST_PLACES],
        "num_more": max(0, len(places) - MOST_PLACES),
    }
    return render(request, "web/disk.html", context)


def _largest(rows: list[tuple[str, Usage]]) -> list[tuple[str, Usage]]:
    return sorted(rows, key=lambda row: -row[1].num_bytes)
