"""`manage.py lm_eval --checkpoint NAME --tasks A,B`: a registered model on public benchmarks.

Runs EleutherAI's lm-evaluation-harness, an optional extra, on the model's folder. Tasks whose data is not on
this machine are downloaded only with --download; nothing else here reaches the network.
"""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from pydantic import ValidationError
from rich.console import Console

from alignment.endings import failure_of
from alignment.following import follow_process
from alignment.program_process import process_start
from alignment.programs import HARNESS_TABLE, HarnessConfig
from pretrain.run import RunFolder
from registry.models import Checkpoint

OFFLINE = "HF_HUB_OFFLINE"


class Command(BaseCommand):
    """Run benchmarks."""

    help = "Measure a registered model on public benchmarks with lm-evaluation-harness."

    def add_arguments(self, parser: CommandParser) -> None:
        """The model, the tasks, and how they are asked."""
        parser.add_argument("--checkpoint", required=True, help="the model's name in the registry")
        parser.add_argument("--tasks", required=True, help="names of tasks, commas between them")
        parser.add_argument("--task-folder", type=Path, help="a folder with YAML files of your own tasks")
        parser.add_argument(
            "--few-shot", type=int, help="examples before the question; the task's own number"
        )
        parser.add_argument("--limit", type=int, help="examples of each task; all of them")
        parser.add_argument("--chat", action="store_true", help="ask in the model's chat template")
        parser.add_argument("--backend", choices=["hf", "vllm"], default="hf")
        parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
        parser.add_argument("--threads", type=int, default=2)
        parser.add_argument("--download", action="store_true", help="let the tasks' data be downloaded")
        parser.add_argument("--json", type=Path, help="write the result here")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Check, run the program, tell."""
        checkpoint = Checkpoint.objects.filter(name=options["checkpoint"]).first()
        if checkpoint is None:
            raise CommandError(f"There is no model {options['checkpoint']!r}: the page Models lists them.")
        folder = run_folder(checkpoint, timezone.now())
        try:
            config = HarnessConfig.model_validate(
                {
                    "checkpoint": checkpoint.path,
                    "tasks": [name.strip() for name in options["tasks"].split(",") if name.strip()],
                    "task_folder": options["task_folder"] and options["task_folder"].resolve(),
                    "num_fewshot": options["few_shot"],
                    "limit": options["limit"],
                    "chat": options["chat"],
                    "backend": options["backend"],
                    "device": options["device"],
                    "num_threads": options["threads"],
                }
            )
        except ValidationError as error:
            first = error.errors()[0]
            raise CommandError(f"{first['loc'][0]} cannot be {first['input']!r}: {first['msg']}.") from error
        folder.write_config(config)
        self._run(folder, config.num_threads, download=options["download"])
        result = folder.read_result() or {}
        if options["json"]:
            options["json"].write_text(json.dumps(result, indent=2))
        self.stdout.write((folder.path / HARNESS_TABLE).read_text())
        self.stdout.write(f"Everything lies in {folder.path}.")

    def _run(self, folder: RunFolder, num_threads: int, *, download: bool) -> None:
        environment = settings.ACCORD_PROGRAM_ENVIRONMENT(num_threads=num_threads)
        process = process_start(
            [sys.executable, "-m", "alignment.sampling.harness", str(folder.config_path)],
            log=folder.path / "log.txt",
            environment={**environment, OFFLINE: "0" if download else "1"},
        )
        follow_process(process, folder, "benchmarks", Console())
        failure = failure_of(folder, process.returncode)
        if failure is not None:
            raise CommandError(failure.sentence)


def run_folder(checkpoint: Checkpoint, now: datetime) -> RunFolder:
    """A folder of this run alone."""
    return RunFolder(settings.ACCORD_RUNS / "lm-eval" / checkpoint.name / now.strftime("%Y%m%d-%H%M%S"))
