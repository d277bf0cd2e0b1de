"""`manage.py pretrain`: make a base model from a corpus and put it into the registry."""

import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console

from accounts.errors import AccordError
from alignment.endings import failure_of
from alignment.following import follow_process
from alignment.program_process import process_start
from pretrain.config import PretrainConfig
from pretrain.dry_run import dry_run, plan_from
from pretrain.presets import LARGE
from pretrain.recipe import PretrainRecipe, recipe_named
from pretrain.run import ProgramError, RunFolder, load_config
from registry.models import Checkpoint
from registry.services import checkpoint_adopt, checkpoint_licence_set, licence_checked


class Command(BaseCommand):
    """Pretrain a base."""

    help = "Pretrain a base model: tokenizer, initial, long-context and annealing stages, averaging."

    def add_arguments(self, parser: CommandParser) -> None:
        """The recipe, the corpus and the name."""
        parser.add_argument("--recipe", required=True, help="a named recipe or a JSON file")
        parser.add_argument("--name", help="the base model's name in the registry")
        parser.add_argument("--corpus", type=Path, help="a file or folder of .jsonl and .txt")
        parser.add_argument(
            "--dry-run",
            action="store_true",
            help="print meshes, memory and schedule, also of 8b, 70b and 405b",
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
        exists = Checkpoint.objects.filter(name=name).exists()
        if exists and options["if_missing"]:
            self.stdout.write(f"{name} is there already.")
            return
        if exists:
            raise CommandError(f"There is a model {name!r} already: choose another name.")
        folder = RunFolder(settings.ACCORD_RUNS / "pretrain" / name)
        try:
            licence = licence_checked(options["licence"])
            config = PretrainConfig(
                recipe=_recipe(options["recipe"]),
                corpus=options["corpus"].resolve(),
                out=folder.path / "final",
                out_initial=folder.path / "initial",
                seed=options["seed"],
                num_threads=options["threads"],
            )
        except (ProgramError, AccordError) as error:
            raise CommandError(str(error)) from error
        folder.write_config(config)
        self._run(folder, options["threads"])
        self._register(name, config, folder, licence)

    def _dry_run(self, recipe: str) -> None:
        try:
            self.stdout.write(dry_run(plan_from(recipe)))
        except ProgramError as error:
            raise CommandError(str(error)) from error

    def _run(self, folder: RunFolder, num_threads: int) -> None:
        folder.tidy()
        process = process_start(
            [sys.executable, "-m", "pretrain.train", str(folder.config_path)],
            log=folder.path / "log.txt",
            environment=settings.ACCORD_PROGRAM_ENVIRONMENT(num_threads=num_threads),
        )
        follow_process(process, folder, "pretraining", Console())
        failure = failure_of(folder, process.returncode)
        if failure is not None:
            raise CommandError(failure.sentence)

    def _register(self, name: str, config: PretrainConfig, folder: RunFolder, licence: str) -> None:
        result = folder.read_result() or {}
        recipe = config.recipe.model_dump(mode="json")
        assert config.out_initial is not None
        models = {name: config.out, f"{name}-initial": config.out_initial}
        for checkpoint_name, path in models.items():
            checkpoint = checkpoint_adopt(
                folder=path,
                store=settings.ACCORD_CHECKPOINTS,
                name=checkpoint_name,
                kind=Checkpoint.Kind.BASE,
                parents=[],
                recipe=recipe,
                metrics=result,
                produced_by="pretrain",
            )
            if licence:
                checkpoint_licence_set(checkpoint, licence, actor=None)
            self.stdout.write(f"Registered {checkpoint_name}.")


def _recipe(name_or_path: str) -> PretrainRecipe:
    """A named recipe, or one from a JSON file. Raises ProgramError."""
    if name_or_path in LARGE:
        raise ProgramError(
            f"{name_or_path} wants many machines: see what it takes with --dry-run, and start it there as "
            "docs/presets.md says."
        )
    path = Path(name_or_path)
    return load_config(path, PretrainRecipe) if path.is_file() else recipe_named(name_or_path)
