"""The tables of the reports page as CSV."""

from collections.abc import Callable, Sequence

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET

from accounts.auth import signed_in
from accounts.errors import NotFound
from annotation.figures.csv_tables import Cell, csv_table
from annotation.figures.reports import Report, Sizes, project_report, rounds_judged
from annotation.permissions import REVIEW, project_for
from annotation.records import Strength

BYTE_ORDER_MARK = "\ufeff"
"""Without it spreadsheets take UTF-8 for the computer's old encoding."""


@login_required
@require_GET
def report_csv(request: HttpRequest, slug: str, table: str) -> HttpResponse:
    """One table, of one round or of all."""
    project = project_for(signed_in(request), slug, REVIEW)
    made = TABLES.get(table)
    if made is None:
        raise NotFound(f"There is no table {table!r}: choose one of {', '.join(TABLES)}.")
    asked = request.GET.get("round", "")
    round_number = next((number for number in rounds_judged(project) if str(number) == asked), None)
    report = project_report(project, round_number)
    header, rows = made(report)
    part = f"-round-{round_number}" if round_number else ""
    return HttpResponse(
        BYTE_ORDER_MARK + csv_table(header, rows),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{project.slug}-{table}{part}.csv"'},
    )


def _preference_data(report: Report | None) -> tuple[Sequence[str], list[Sequence[Cell]]]:
    header = (
        *("preference_data", "comparisons", "percent_of_comparisons", "turns_per_dialog"),
        *("words_per_example", "words_per_prompt", "words_per_response"),
    )
    if report is None:
        return header, []
    return header, [
        *(_sizes(domain, sizes, share) for domain, sizes, share in report.domains),
        _sizes("Total", report.total, 1.0),
    ]


def _sizes(name: str, sizes: Sizes, share: float) -> Sequence[Cell]:
    return (
        *(name, sizes.comparisons, round(100 * share, 2), round(sizes.turns_per_dialog, 2)),
        *(round(sizes.words_per_example, 1), round(sizes.words_per_prompt, 1)),
        round(sizes.words_per_response, 1),
    )


def _throughput(report: Report | None) -> tuple[Sequence[str], list[Sequence[Cell]]]:
    header = ("first_day", "last_day", *Strength, "judgements", "timed", "active_seconds")
    if report is None:
        return header, []
    return header, [
        (
            period.first.isoformat(),
            period.last.isoformat(),
            *period.by_strength,
            period.num_judgements,
            period.num_timed,
            round(period.active_seconds, 1),
        )
        for period in report.periods
    ]


TABLES: dict[str, Callable[[Report | None], tuple[Sequence[str], list[Sequence[Cell]]]]] = {
    "preference-data": _preference_data,
    "throughput": _throughput,
}
