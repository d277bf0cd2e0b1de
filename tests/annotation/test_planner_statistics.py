"""After a bulk load the planner knows how many rows there are."""

import pytest
from django.db import connection

from annotation.importing.prompts import ImportedPrompt, ReadPrompt
from annotation.models import Prompt
from annotation.records import Message
from annotation.services import prompts_import
from annotation.services.planner_statistics import ENOUGH_ROWS
from tests.annotation.factories import make_project

pytestmark = pytest.mark.django_db


def rows_known() -> int:
    """How many rows the planner thinks that the table of prompts has; -1 before it was ever analysed."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'annotation_prompt'")
        [known] = cursor.fetchone() or (-1,)
        return int(known)


def rows_read(count: int) -> list[ReadPrompt]:
    """So many prompts of a file."""
    return [
        ReadPrompt(
            line=number,
            where=f"line {number}",
            prompt=ImportedPrompt(
                id=f"sum-{number}",
                domain="arithmetic",
                language="en",
                context=(Message(role="user", content=f"What is {number} + 1?"),),
                split="train",
            ),
        )
        for number in range(count)
    ]


def test_a_large_import_tells_the_planner_and_a_small_one_leaves_it() -> None:
    project, before = make_project(), rows_known()
    prompts_import(project, rows_read(20))
    assert rows_known() == before
    counts = prompts_import(project, rows_read(ENOUGH_ROWS + 20))
    assert counts.kept == ENOUGH_ROWS
    assert rows_known() >= Prompt.objects.count() > ENOUGH_ROWS
