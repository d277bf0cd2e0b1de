"""PostgreSQL's statistics, taken anew after a bulk load.

The planner knows how many rows a table has, and which values are frequent, only from the last ANALYZE.
Autovacuum takes one within a minute or so; until then 50,000 new rows are joined as if they were sixty.
"""

from collections.abc import Iterable

from django.db import connection
from django.db.models import Model

ENOUGH_ROWS = 1000
"""Fewer change no plan that matters."""


def statistics_refresh(models: Iterable[type[Model]], *, num_rows: int) -> None:
    """ANALYZE the tables of `models` where `num_rows`, which came in, are many. Nobody waits for it."""
    if num_rows < ENOUGH_ROWS:
        return
    tables = ", ".join(connection.ops.quote_name(model._meta.db_table) for model in models)
    with connection.cursor() as cursor:
        cursor.execute(f"ANALYZE {tables}")
