"""`manage.py launch_round`: launch a round, and with --wait follow it to its end."""

import json
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from accounts.errors import AccordError
from alignment.control import check_stage_name
from alignment.management.commands._planned import planned_table
from alignment.models import Round, Stage
from alignment.planned import planned_round
from alignment.recipe import RecipeError, load_recipe
from alignment.selectors import round_report, stage_progress
from alignment.services import next_number, round_launch
from annotation.models import Project
from registry.models import Checkpoint


class Command(BaseCommand):
    """Launch a round."""

    help = "Launch a round of the recipe over a project's judgements."

    def add_arguments(self, parser: CommandParser) -> None:
        """What to train on what."""
        parser.add_argument("--project", required=True, help="the project's slug")
        parser.add_argument("--base", required=True, help="the base model's name in the registry")
        parser.add_argument("--recipe", required=True, help="a named recipe or a JSON file")
        parser.add_argument(
            "--from-stage",
            default="",
            metavar="NAME",
            help="take nothing over from earlier rounds from here on",
        )
        parser.add_argument("--dry-run", action="store_true", help="only say what would run")
        parser.add_argument("--wait", action="store_true", help="show progress until the round ends")
        parser.add_argument(
            "--reason", default="", help="why to launch although checks speak against it; kept"
        )
        parser.add_argument("--json", type=Path, help="with --wait: write the round's report here")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Check, launch, follow."""
        try:
            recipe = load_recipe(options["recipe"])
            project = _get(Project, "project", slug=options["project"])
            base = _get(Checkpoint, "base model", name=options["base"])
            from_stage = options["from_stage"]
            check_stage_name(from_stage)
            if options["dry_run"]:
                number = next_number(project)
                planned = planned_round(project, base, recipe, number=number, from_stage=from_stage)
                self.stdout.write(planned_table(planned))
                return
            round_ = round_launch(
                project, base, recipe, None, reason=options["reason"], fresh_from=from_stage
            )
        except (AccordError, RecipeError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Launched {round_}.")
        if options["wait"]:
            follow(round_, Console())
            round_.refresh_from_db()
            report = round_report(round_)
            if options["json"]:
                options["json"].write_text(json.dumps(report, indent=2))
            if round_.state != Round.State.FINISHED:
                failed = round_.stages.filter(state=Stage.State.FAILED).first()
                raise CommandError(
                    f"{round_} {round_.state}: {failed.name}: {failed.error}" if failed else str(round_)
                )
            if not options["json"]:
                self.stdout.write(json.dumps(report["evaluation"], indent=2))


def follow(round_: Round, console: Console) -> None:
    """Show a bar a stage with the time left, until the round ends or waits at its gate."""
    columns = (TextColumn("{task.description:<20}"), BarColumn(), TextColumn("{task.fields[state]}"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as bars:
        shown: dict[str, TaskID] = {}
        missing = ""
        while True:
            round_.refresh_from_db()
            for stage in round_.stages.exclude(state=Stage.State.PENDING):
                _show(bars, shown, stage)
                if stage.name == Stage.Name.DATA_GATE and stage.state == Stage.State.WAITING:
                    missing = _say_once(missing, " ".join(stage.result["problems"]), console)
            gate_waits = round_.stages.filter(name=Stage.Name.GATE, state=Stage.State.WAITING).first()
            if gate_waits is not None:
                raise CommandError(_gate_sentence(gate_waits))
            if round_.state not in (Round.State.RUNNING, Round.State.PAUSED):
                return
            time.sleep(1)


def _say_once(said: str, sentence: str, console: Console) -> str:
    """What the data gate waits for: people go on judging, so the round is waited for."""
    if sentence != said:
        console.print(f"The data gate waits: {sentence}")
    return sentence


def _gate_sentence(gate: Stage) -> str:
    """Why the round waits at its gate, and what to do."""
    if gate.result["problems"]:
        return "The gate is closed: " + " ".join(gate.result["problems"])
    path = reverse("gate-pairs", kwargs={"pk": gate.pk})
    return (
        f"The gate waits for people: {gate.total - gate.done} pairs are to be compared at {path}. The round "
        "goes on by itself when that is done."
    )


def _show(bars: Progress, shown: dict[str, TaskID], stage: Stage) -> None:
    if stage.name not in shown:
        shown[stage.name] = bars.add_task(stage.get_name_display(), total=None, state="")
    progress = stage_progress(stage)
    finished = stage.state == Stage.State.FINISHED
    total = progress.total or (1 if finished else None)
    done = total if finished and total else progress.done
    state = stage.state if not progress.total else f"{progress.done:,} of {progress.total:,} {progress.unit}"
    bars.update(shown[stage.name], total=total, completed=done or 0, state=state)
    if finished:
        bars.stop_task(shown[stage.name])


def _get(model: Any, what: str, **lookup: str) -> Any:  # Any: one of two models
    found = model.objects.filter(**lookup).first()
    if found is None:
        value = next(iter(lookup.values()))
        names = ", ".join(model.objects.values_list(next(iter(lookup)), flat=True)[:10]) or "none yet"
        raise CommandError(f"There is no {what} {value!r}. There are: {names}.")
    return found
