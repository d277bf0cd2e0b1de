"""What the chaos benchmark does inside Django, on its stack: `python -m tests.benchmarks.chaos_inside`.

    fill --project SLUG --people N --comparisons N --overlap N    prints the people as [[id, token], …]
    listen --url URL                                              a webhook endpoint for rounds and judgements
    check --project SLUG --acknowledged FILE                      prints what was lost, doubled or left behind

A process of its own: Django reads its settings, which name the servers, before anything else. Runs with the
stack's environment.
"""

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import django

from accord.env import settings_module_default

settings_module_default()
django.setup()

from django.db import connection  # noqa: E402

from annotation.models import Project  # noqa: E402
from tests.benchmarks.annotation_load_clients import Acknowledged  # noqa: E402
from tests.benchmarks.annotation_load_site import fill_project, invariants, make_people  # noqa: E402
from webhooks.events import Event  # noqa: E402
from webhooks.services import endpoint_create  # noqa: E402

HEARD = (Event.ROUND_FINISHED, Event.ROUND_FAILED, Event.JUDGEMENT_SUBMITTED)

LEFT_BEHIND = {
    "program leases": "SELECT count(*) FROM alignment_program WHERE lease_expires_at IS NOT NULL",
    "unfinished programs": "SELECT count(*) FROM alignment_program "
    "WHERE state NOT IN ('finished', 'cancelled')",
    "unfinished stages": "SELECT count(*) FROM alignment_stage s JOIN alignment_round r ON r.id = s.round_id "
    "WHERE s.state <> 'finished' AND r.state <> 'cancelled'",
    "comparisons in hand": "SELECT count(*) FROM annotation_assignment WHERE state IN ('active', 'reserved')",
    "deliveries under way": "SELECT count(*) FROM webhooks_delivery WHERE state <> 'delivered'",
}
"""Rows that say that somebody still works on something, when nobody does."""


def main() -> None:
    """One of the three."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.chaos_inside")
    commands = parser.add_subparsers(dest="command", required=True)
    filled = commands.add_parser("fill")
    filled.add_argument("--project", required=True)
    filled.add_argument("--people", type=int, required=True)
    filled.add_argument("--comparisons", type=int, required=True)
    filled.add_argument("--overlap", type=int, required=True)
    commands.add_parser("listen").add_argument("--url", required=True)
    checked = commands.add_parser("check")
    checked.add_argument("--project", required=True)
    checked.add_argument("--acknowledged", type=Path, required=True)
    arguments = vars(parser.parse_args())
    work: dict[str, Callable[..., object]] = {"fill": fill, "listen": listen, "check": check}
    json.dump(work[arguments.pop("command")](**arguments), sys.stdout)


def fill(project: str, people: int, comparisons: int, overlap: int) -> list[tuple[int, str]]:
    """A project with open comparisons, and people with tokens."""
    return make_people(fill_project(project, num_comparisons=comparisons, overlap=overlap), people)


def listen(url: str) -> int:
    """An endpoint of the whole site; its number."""
    return int(endpoint_create(url=url, events=[event.value for event in HEARD], actor=None).pk)


def check(project: str, acknowledged: Path) -> dict[str, object]:
    """Hold the database against what people were told, and count what is left behind."""
    told = [Acknowledged(**row) for row in json.loads(acknowledged.read_text())]
    found = invariants(Project.objects.get(slug=project), told)
    left: dict[str, int] = {}
    with connection.cursor() as cursor:
        for name, statement in LEFT_BEHIND.items():
            cursor.execute(statement)
            left[name] = int(cursor.fetchone()[0])
    return {"judgements": asdict(found), "left": left}


if __name__ == "__main__":
    main()
