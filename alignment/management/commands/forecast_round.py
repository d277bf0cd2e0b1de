"""`manage.py forecast_round`: what a round would take, without launching it."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from alignment.forecast.figures import Forecast, Span
from alignment.forecast.shown import size
from alignment.launch_checks import forecast_report
from alignment.recipe import RecipeError, load_recipe
from alignment.services import launch_check
from annotation.models import Project
from registry.models import Checkpoint


class Command(BaseCommand):
    """Forecast a round."""

    help = "Check a launch and forecast its time, cost and disk. Launches nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        """What `launch_round` takes."""
        parser.add_argument("--project", required=True, help="the project's slug")
        parser.add_argument("--base", required=True, help="the base model's name in the registry")
        parser.add_argument("--recipe", required=True, help="a named recipe or a JSON file")
        parser.add_argument("--json", type=Path, help="write checks and forecast here")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Check, forecast, print."""
        project = Project.objects.filter(slug=options["project"]).first()
        base = Checkpoint.objects.filter(name=options["base"]).first()
        if project is None or base is None:
            raise CommandError(f"There is no project {options['project']!r} or no base {options['base']!r}.")
        try:
            recipe = load_recipe(options["recipe"])
            launch_check(project, base, recipe)
            report = forecast_report(project, base, recipe)
        except (AccordError, RecipeError) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            options["json"].write_text(json.dumps(report, indent=2))
        self._print(Forecast.model_validate(report["forecast"]))
        for problem in report["problems"]:
            self.stderr.write(problem)

    def _print(self, forecast: Forecast) -> None:
        rows = [stage for stage in forecast.stages if stage.seconds.expected > 0]
        for stage in rows:
            name = stage.stage.replace("_", " ")
            self.stdout.write(f"{name:<20}{_seconds(stage.seconds):<34}{stage.basis}")
        self.stdout.write(f"{'all':<20}{_seconds(forecast.seconds)}")
        if forecast.people_days is not None:
            days = forecast.people_days
            self.stdout.write(
                f"Before that people give {forecast.num_judgements:,} judgements: {days.expected:.1f} days "
                f"({days.low:.1f} to {days.high:.1f})."
            )
        if forecast.machine_cost is not None:
            cost = forecast.machine_cost
            self.stdout.write(
                f"Machine: {cost.expected:.2f} {forecast.machine_currency} "
                f"({cost.low:.2f} to {cost.high:.2f})."
            )
        if forecast.people_cost:
            self.stdout.write(f"Judgements: {forecast.people_cost:.2f} {forecast.people_currency}.")
        self.stdout.write(
            f"Disk: {size(forecast.disk_bytes)} stay, {size(forecast.disk_peak)} at most, "
            f"{size(forecast.disk_free)} free."
        )


def _seconds(span: Span) -> str:
    return f"{span.expected:,.0f} s ({span.low:,.0f} to {span.high:,.0f})"
