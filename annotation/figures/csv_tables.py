"""Tables as CSV that a spreadsheet opens without running anything in it. Pure."""

import csv
import io
from collections.abc import Iterable, Sequence

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
Cell = str | int | float | None


def csv_table(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """The table; numbers stay numbers, None is an empty cell, text that a formula begins with is quoted."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([guarded(name) for name in header])
    writer.writerows([guarded(cell) for cell in row] for row in rows)
    return out.getvalue()


def guarded(cell: Cell) -> Cell:
    """Text with a leading apostrophe where a spreadsheet would take it for a formula (OWASP)."""
    if not isinstance(cell, str):
        return cell
    return f"'{cell}" if cell.lstrip(" ").startswith(FORMULA_STARTS) else cell
