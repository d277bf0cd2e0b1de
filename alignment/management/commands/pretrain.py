"""`manage.py pretrain`: make a base model from a corpus, or from raw files, and put it into the registry."""

from pathlib import Path
from typing import Any, Literal

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from alignment.base_making import register_base, run_steps
from pretrain.config import PretrainConfig
from pretrain.dry_run import dry_run, plan_from
from pretrain.mix import Mix
from pretrain.pipeline import CurationRecipe, Step, pipeline_steps, wants_curation
from pretrain.presets import LARGE
from pretrain.recipe import PretrainRecipe, recipe_named
from pretrain.run import ProgramError, RunFolder, load_config
from registry.models import Checkpoint
from registry.services import PLAIN_NAME, licence_checked


class Command(BaseCommand):
    """Pretrain a base."""

    help = "Pretrain a base model: tokenizer, initial, long-context and annealing stages, averaging."

    def add_arguments(self, parser: CommandParser) -> None:
        """The recipe, the corpus and the name."""
        parser.add_argument("--recipe", required=True, help="a named recipe or a JSON file")
        parser.add_argument("--name", help="the base model's name in the registry")
        parser.add_argument(
            "--corpus",
            type=Path,
            help="a file or folder of .jsonl and .txt; with WARC, HTML or Parquet in it, it is curated first",
        )
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="print meshes, memory and schedule, also of 8b, 70b and 405b",
        )
        parser.add_argument(
            "--curate", action="store_true", help="curate .jsonl and .txt too: filters, deduplication"
        )
        parser.add_argument("--curation", type=Path, help="a JSON file of how to curate; implies --curate")
        parser.add_argument(
            "--mix", help='a JSON file of weights per source, or "by_size" (after curation the default)'
        )
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--threads", type=int, default=2)
        parser.add_argument(
            "--licence", default="", help="its identifier, such as apache-2.0; model cards say it"
        )
        parser.add_argument("--if-missing", action="store_true", help="do nothing where the model exists")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Check, run the program, register what it made."""
        if options["dry_run"]:
            self._dry_run(options["recipe"])
            return
        name = options["name"]
        if not name or options["corpus"] is None:
            raise CommandError("Give --name and --corpus, or --dry-run to see what the recipe would take.")
        if not PLAIN_NAME.fullmatch(name):
            raise CommandError(
                f"{name!r} is no name for a model: use letters, digits, spaces and . _ - + alone."
            )
        exists = Checkpoint.objects.filter(name=name).exists()
        if exists and options["if_missing"]:
            self.stdout.write(f"{name} is there already.")
            return
        if exists:
            raise CommandError(f"There is a model {name!r} already: choose another name.")
        folder = RunFolder(settings.ACCORD_RUNS / "pretrain" / name)
        try:
            licence = licence_checked(options["licence"])
            steps = _steps(folder, options)
        except (ProgramError, AccordError) as error:
            raise CommandError(str(error)) from error
        try:
            run_steps(steps, options["threads"])
        except AccordError as error:
            raise CommandError(str(error)) from error
        for registered in register_base(name, steps, licence):
            self.stdout.write(f"Registered {registered}.")

    def _dry_run(self, recipe: str) -> None:
        try:
            self.stdout.write(dry_run(plan_from(recipe)))
        except ProgramError as error:
            raise CommandError(str(error)) from error


def _steps(folder: RunFolder, options: dict[str, Any]) -> list[Step]:  # Any: Django's parsed options
    """What is to run: training alone, or all from raw files. Raises ProgramError."""
    corpus = options["corpus"].resolve()
    curated = options["curate"] or options["curation"] is not None or wants_curation(corpus)
    mix: Mix | Literal["by_size"] | None = "by_size" if curated or options["mix"] == "by_size" else None
    if options["mix"] not in (None, "by_size"):
        mix = load_config(Path(options["mix"]), Mix)
    training = PretrainConfig(
        recipe=_recipe(options["recipe"]),
        corpus=corpus,
        mix=mix,
        out=folder.path / "final",
        out_initial=folder.path / "initial",
        seed=options["seed"],
        num_threads=options["threads"],
    )
    if not curated:
        return [Step(name="pretraining", module="pretrain.train", folder=folder, config=training)]
    curation = CurationRecipe()
    if options["curation"] is not None:
        curation = load_config(options["curation"], CurationRecipe)
    return pipeline_steps(folder.path, corpus, curation, training)


def _recipe(name_or_path: str) -> PretrainRecipe:
    """A named recipe, or one from a JSON file. Raises ProgramError."""
    if name_or_path in LARGE:
        raise ProgramError(
            f"{name_or_path} wants many machines: see what it takes with --dry-run, and start it there as "
            "docs/presets.md says."
        )
    path = Path(name_or_path)
    return load_config(path, PretrainRecipe) if path.is_file() else recipe_named(name_or_path)
