"""`make demo`: the whole loop on this machine, from nothing to two rounds and a table of what they did.

Does what a user would do, with the same commands and over the same HTTP: pretrains a small base on the
invented world, deploys it, imports prompts, launches rounds, and lets simulated annotators judge. Only
the last table knows the gold preference.
"""

import argparse
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from accord.env import REPOSITORY, process_environment
from alignment.outside import AnswerToScore
from annotation.records import read_records, write_records
from demo.annotators import annotators_work
from demo.inputs import CORPUS, PROMPTS, write_inputs
from demo.report import RoundRow, demo_report, print_report
from demo.settings import DemoSettings, demo_settings, quick_settings
from demo.win_rates import gold_scores, gold_win_rates
from demo.world import World
from deploy.local.stack import local_stack, stack_environment
from deploy.local.state import StackState

GOLD = "the gold preference"
"""Who scores the answers, as the rounds' pages say it."""

PRETRAIN_THREADS = 1
"""A model this small gains nothing from a second thread, and loses where the cores are shared."""


@dataclass(frozen=True, kw_only=True)
class Demo:
    """One run of the demo: its settings, its stack, and the names it uses in the registry."""

    stack: StackState
    environment: dict[str, str]
    settings: DemoSettings
    seed: int
    world: World
    folder: Path
    project: str
    base: str
    console: Console

    def manage(self, *arguments: str) -> None:
        """Run one of manage.py's commands, as a user would; its output goes to the terminal."""
        subprocess.run(self._command(arguments), check=True, env=self.environment, cwd=REPOSITORY)

    def manage_start(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Start one of manage.py's commands beside us."""
        return subprocess.Popen(self._command(arguments), env=self.environment, cwd=REPOSITORY)

    def _command(self, arguments: Sequence[str]) -> list[str]:
        return [sys.executable, str(REPOSITORY / "manage.py"), *arguments]

    def pretrain(self) -> None:
        """The base, unless an earlier run of the same seed and settings made it."""
        recipe = self._write_json("pretrain.json", self.settings.pretrain.model_dump(mode="json"))
        self.manage(
            "pretrain",
            *("--recipe", str(recipe)),
            *("--name", self.base, "--corpus", str(self.folder / CORPUS)),
            *("--seed", str(self.seed), "--threads", str(PRETRAIN_THREADS), "--if-missing"),
        )

    def prepare_project(self) -> None:
        """A project with prompts, the first two models, and the annotators' accounts."""
        # Edits of the simulated annotators are the best answers there are: nobody need judge them again.
        named = ("--name", f"Small world, seed {self.seed}", "--edit-share", "0")
        self.manage("create_project", self.project, *named)
        self.manage("import_prompts", str(self.folder / PROMPTS), "--project", self.project)
        self.manage("deploy_models", self.base, f"{self.base}-initial", "--project", self.project)
        self.manage(
            *("create_annotators", "--project", self.project),
            *("--count", str(self.settings.num_annotators), "--tokens", str(self.tokens_path)),
        )

    @property
    def tokens_path(self) -> Path:
        """Where the annotators' API tokens lie."""
        return self.folder / "tokens.json"

    def run_round(self, number: int) -> dict[str, Any]:  # Any: the report's JSON
        """Launch a round, let people judge until it has what it asks for, and wait for its end."""
        report_path = self.folder / f"round-{number}.json"
        recipe = self.settings.recipe(number)
        process = self.manage_start(
            *("launch_round", "--project", self.project, "--base", self.base),
            *("--recipe", str(self._write_json("round.json", recipe.model_dump(mode="json")))),
            *("--wait", "--json", str(report_path)),
        )
        try:
            annotators_work(
                web_url=self.stack.web_url,
                project=self.project,
                tokens=[row["token"] for row in json.loads(self.tokens_path.read_text())],
                world=self.world,
                seed=self.seed * 1000 + number,
                is_over=lambda: process.poll() is not None,
                num_judgements=recipe.collect.num_comparisons,
            )
            if process.wait() != 0:
                sys.exit(f"Round {number} failed. Its page says why: {self.stack.web_url}/rounds/")
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        report: dict[str, Any] = json.loads(report_path.read_text())
        return report

    def show_gold(self, number: int) -> None:
        """Let the page of a round show what the gold preference says of its answers.

        Called when all rounds have ended: nothing that still trains could see it.
        """
        answers, scores = (self.folder / f"round-{number}-{what}.jsonl" for what in ("answers", "gold"))
        named = ("--project", self.project, "--round", str(number))
        self.manage("export_answers", *named, "--out", str(answers))
        write_records(scores, gold_scores(read_records(answers, AnswerToScore), self.world))
        self.manage("import_outside_scores", str(scores), *named, "--by", GOLD)

    def _write_json(self, name: str, data: object) -> Path:
        path = self.folder / name
        path.write_text(json.dumps(data, indent=2))
        return path


def main() -> None:
    """Parse the command line, boot the stack, run the demo, print the table."""
    arguments = parse_arguments(sys.argv[1:])
    console = Console()
    started = time.monotonic()
    with local_stack(arguments.var) as stack:
        console.print(f"Accord runs at [link]{stack.web_url}[/link]")
        settings = quick_settings() if arguments.quick else demo_settings()
        folder = arguments.var / "demo" / f"seed-{arguments.seed}-{time.strftime('%Y%m%d-%H%M%S')}"
        world = write_inputs(folder, seed=arguments.seed, settings=settings)
        demo = Demo(
            stack=stack,
            environment=process_environment(stack_environment(stack, arguments.var)),
            settings=settings,
            seed=arguments.seed,
            world=world,
            folder=folder,
            project=f"small-world-{folder.name}",
            base=f"small-world-{arguments.seed}-{settings.fingerprint()}",
            console=console,
        )
        rows = demo_rounds(demo, arguments.rounds)
        report = demo_report(arguments.seed, time.monotonic() - started, rows)
        print_report(report, console)
        if arguments.json:
            arguments.json.write_text(json.dumps(report, indent=2))
        if not arguments.no_serve:
            console.print(
                f"The site goes on at {stack.web_url}. Sign in as admin; {stack.admin_hint} Ctrl-C stops it."
            )
            stack.wait()


def demo_rounds(demo: Demo, num_rounds: int) -> list[RoundRow]:
    """Pretrain, prepare, run the rounds; what each one did."""
    demo.pretrain()
    demo.prepare_project()
    rows = []
    for number in range(1, num_rounds + 1):
        report = demo.run_round(number)
        answers = Path(report["answers"])
        rates = gold_win_rates(answers, demo.world)
        rows.append(RoundRow(report=report, win_rates=rates))
    for row in rows:
        demo.show_gold(row.report["round"])
    return rows


def wait_for_interrupt() -> None:
    """Sleep until Ctrl-C."""
    with contextlib.suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line of the demo."""
    parser = argparse.ArgumentParser(prog="make demo", description="Two rounds of Accord on this machine.")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, help="write the table here as JSON")
    parser.add_argument("--quick", action="store_true", help="everything, too small to gain anything")
    parser.add_argument("--no-serve", action="store_true", help="stop when the table is printed")
    parser.add_argument("--var", type=Path, default=REPOSITORY / "var", help="where all data goes")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
