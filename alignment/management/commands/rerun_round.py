"""`manage.py rerun_round`: a round again over the same judgements, by an edited recipe or anew."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from alignment.control import check_stage_name, recipe_again, round_rerun
from alignment.management.commands._control import RoundCommand
from alignment.management.commands._planned import planned_table
from alignment.models import Round, Stage
from alignment.planned import planned_round
from alignment.recipe import RecipeError, load_recipe


class Command(RoundCommand):
    """Run a round again; what nothing has changed is not computed twice."""

    help = "Run a round again over its judgements; what nothing has changed is not computed twice."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which round, and what is different."""
        super().add_arguments(parser)
        parser.add_argument("--recipe", help="a named recipe or a JSON file (default: the round's own)")
        parser.add_argument(
            "--from-stage",
            default="",
            metavar="NAME",
            help=f"compute anew from: {', '.join(Stage.Name.values)}",
        )
        parser.add_argument("--reason", default="", help="why to run it although its launch would be refused")
        parser.add_argument("--dry-run", action="store_true", help="only say what would run")

    def act(self, round_: Round, options: dict[str, Any]) -> str:  # Any: Django's parsed options
        """Launch the run, or say what it would compute."""
        try:
            recipe = load_recipe(options["recipe"]) if options["recipe"] else recipe_again(round_)
        except RecipeError as error:
            raise CommandError(str(error)) from error
        from_stage = options["from_stage"]
        check_stage_name(from_stage)
        if options["dry_run"]:
            return planned_table(
                planned_round(
                    round_.project, round_.base, recipe, number=round_.number, from_stage=from_stage
                )
            )
        run = round_rerun(round_, None, recipe=recipe, from_stage=from_stage, reason=options["reason"])
        return f"Launched {run}."
