"""A running local stack for tests that walk through the whole product, and a small base to start from.

The stack is the user's own: PostgreSQL, Valkey, web, workers and vLLM, in a temporary folder.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from accord.env import REPOSITORY, process_environment
from deploy.local.stack import stack_environment
from deploy.local.state import StackState
from tests.webhooks.receiver import Receiver

COLOURS = ("red", "blue", "green", "grey")
NAMES = ("Bim", "Tolo", "Rask", "Fenn", "Gorm", "Yala", "Pim", "Duro")


@dataclass(frozen=True, kw_only=True)
class RunningStack:
    """The stack, its data folder, and the files that a user brings to it."""

    state: StackState
    var: Path
    environment: Mapping[str, str]
    """What it was started with."""
    hook: Receiver
    """The one place to which it may send webhooks."""
    inputs: Path
    """corpus.jsonl, prompts.jsonl and preferences.jsonl."""

    @property
    def admin_password(self) -> str:
        """What the first start generated."""
        return (self.var / "admin_password").read_text().strip()

    def manage(self, *arguments: str | Path, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run one of manage.py's commands on this stack, as a user would."""
        done = subprocess.run(
            [sys.executable, str(REPOSITORY / "manage.py"), *map(str, arguments)],
            env=process_environment(
                {**os.environ, **self.environment, **stack_environment(self.state, self.var)}
            ),
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
        )
        if check and done.returncode:
            raise AssertionError(
                f"manage.py {arguments[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done


def write_inputs(folder: Path) -> None:
    """A corpus, prompts and judgements, under the names that the README gives them."""
    write_corpus(folder / "corpus.jsonl")
    write_prompts(folder / "prompts.jsonl")
    write_preferences(folder / "preferences.jsonl")


def write_lines(path: Path, rows: list[dict[str, object]]) -> Path:
    """Write JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_corpus(path: Path, *, num_rows: int = 600) -> Path:
    """Questions and answers about the colours of things, half of them rambling."""
    draw = random.Random(0)
    rows: list[dict[str, object]] = []
    for _ in range(num_rows):
        name = draw.choice(NAMES)
        answer = f"{name} is {draw.choice(COLOURS)}."
        if draw.random() < 0.5:
            answer += " Or so they say, who knows, not me."
        rows.append(
            {
                "messages": [
                    {"role": "user", "content": f"What colour is {name}?"},
                    {"role": "assistant", "content": answer},
                ]
            }
        )
    return write_lines(path, rows)


def write_prompts(path: Path) -> Path:
    """One prompt a name, some of them held out."""
    rows: list[dict[str, object]] = [
        {
            "id": f"{number}-{name}",
            "context": [{"role": "user", "content": f"{number}. What colour is {name}?"}],
            "domain": "colours",
            "language": "en",
            "split": "holdout" if index < 2 else "train",
        }
        for number in range(1, 9)
        for index, name in enumerate(NAMES)
    ]
    return write_lines(path, rows)


def write_preferences(path: Path, *, num_rows: int = 120) -> Path:
    """Judgements that prefer short answers, with some edits."""
    draw = random.Random(1)
    rows: list[dict[str, object]] = []
    for index in range(num_rows):
        name = NAMES[index % len(NAMES)]
        short = f"{name} is {draw.choice(COLOURS)}."
        long = f"{name} is {draw.choice(COLOURS)}. Or so they say, who knows, not me."
        responses = [
            {"content": short, "model": "first", "origin": "chosen"},
            {"content": long, "model": "second", "origin": "rejected"},
        ]
        if index % 5 == 0:
            responses.insert(0, {"content": f"{name} is surely blue.", "model": "person", "origin": "edited"})
        rows.append(
            {
                "id": f"p{index}",
                "domain": "colours",
                "language": "en",
                "round": 1,
                "context": [{"role": "user", "content": f"{index}. What colour is {name}?"}],
                "responses": responses,
                "strength": "better" if index % 3 else "significantly_better",
                "annotator": f"person-{index % 3}",
                "created": "2026-01-01T00:00:00Z",
            }
        )
    return write_lines(path, rows)
