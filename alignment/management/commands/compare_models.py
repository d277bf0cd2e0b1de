"""`manage.py compare_models A B`: two models side by side, as a table or as JSON."""

import json
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from alignment.compare_figures import comparison_report, sides_of
from alignment.model_comparing import model_comparison_request
from alignment.models import Program
from annotation.models import Project
from registry.models import Checkpoint

ENDED = (Program.State.FINISHED, Program.State.FAILED, Program.State.CANCELLED)


class Command(BaseCommand):
    """Compare two models."""

    help = (
        "Two models side by side: win rates on held-out prompts, what differs in data and recipe. Where no "
        "evaluation asked both, give --project and --reward-model, and the sampling queue's workers ask them."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Which two, and how to ask them."""
        parser.add_argument("first", help="a checkpoint's name in the registry")
        parser.add_argument("second")
        parser.add_argument("--project", help="ask both the held-out prompts of this project (its slug)")
        parser.add_argument("--reward-model", help="the checkpoint that scores the answers")
        parser.add_argument("--prompts", type=int, default=200, help="how many prompts to ask")
        parser.add_argument("--json", type=Path, help="write the figures here")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Ask where that is wanted, wait, and show."""
        first, second = _model(options["first"]), _model(options["second"])
        try:
            if options["project"] or options["reward_model"]:
                self._ask(first, second, options)
            report = comparison_report(*sides_of(first, second))
        except AccordError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            options["json"].write_text(json.dumps(report, indent=2, ensure_ascii=False))
        else:
            self._show(report)

    def _ask(self, first: Checkpoint, second: Checkpoint, options: dict[str, Any]) -> None:  # Any: see handle
        project = Project.objects.filter(slug=options["project"]).first()
        if project is None or not options["reward_model"]:
            raise CommandError(
                "Give --project (a project's slug) and --reward-model (a checkpoint) together."
            )
        comparison = model_comparison_request(
            first,
            second,
            project=project,
            reward_model=_model(options["reward_model"]),
            num_prompts=options["prompts"],
            actor=None,
        )
        program, told = comparison.program, ""
        while program.state not in ENDED:
            said = f"{program.done} of {program.total} {program.unit}" if program.total else program.state
            if said != told:
                self.stdout.write(said)
                told = said
            time.sleep(1)
            program.refresh_from_db()
        if program.state != Program.State.FINISHED:
            raise CommandError(program.error or "The comparison was cancelled.")

    def _show(self, report: dict[str, Any]) -> None:  # Any: JSON
        answers = report["answers"]
        self.stdout.write(f"{report['first']} against {report['second']}")
        if answers is None:
            self.stdout.write("No evaluation asked both: give --project and --reward-model.")
        else:
            self.stdout.write(f"Win rate of the first, scored by {answers['scored_by']}:")
            rows = [("all", answers["overall"]), *((row["domain"], row) for row in answers["by_domain"])]
            if answers["by_people"]:
                rows.append(("by people", answers["by_people"]["overall"]))
            for name, rate in rows:
                self.stdout.write(
                    f"  {name:<24} {rate['value']:.3f} ({rate['low']:.3f} to {rate['high']:.3f}), "
                    f"{rate['comparisons']:,} comparisons"
                )
        for title, rows, name in (("data", report["data"], "what"), ("recipe", report["recipe"], "setting")):
            self.stdout.write(f"Differs in the {title}:" if rows else f"Nothing differs in the {title}.")
            for row in rows:
                self.stdout.write(f"  {row[name]}: {row['first'] or '–'} | {row['second'] or '–'}")


def _model(name: str) -> Checkpoint:
    found = Checkpoint.objects.filter(name=name).first()
    if found is None:
        raise CommandError(f"There is no checkpoint {name!r}: /models/ lists them.")
    return found
