"""The site of the chaos benchmark: a local stack of its own, and one small round after the other on it.

Comes in: a running stack. Goes out: the rounds' states and the hashes of their checkpoints. Every round has a
project of its own with the same prompts and judgements, so that all must give the same weights.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, LiteralString
from urllib.parse import urlsplit

import psycopg

from accord.env import REPOSITORY, process_environment
from alignment.programs import OptimizerConfig, SamplingConfig
from alignment.recipe import RoundRecipe
from deploy.local.stack import stack_environment
from deploy.local.state import StackState
from tests.e2e.product.recipes import toy_pretraining, toy_recipe, write_recipe
from tests.e2e.product.stack import write_inputs

BASE = "base"
SECONDS_BETWEEN_LOOKS = 0.25
SECONDS_TO_RECONNECT = 60.0

Row = tuple[Any, ...]  # Any: what a query gives


@dataclass(frozen=True, kw_only=True)
class RoundSize:
    """How much a round computes."""

    num_epochs: int
    """Of each training."""
    num_prompts: int
    """Of rejection sampling."""
    checkpoint_seconds: float
    undisturbed_until_averaged: bool = False
    """The undisturbed round ends with its last weights: nobody asks how they answer."""


@dataclass(frozen=True, kw_only=True)
class RoundEnd:
    """How a round ended."""

    round_id: int
    state: str
    error: str
    seconds: float
    stages: dict[str, float]
    """Seconds of each stage."""


class ChaosSite:
    """What one can ask of the stack from outside, also while its parts are being killed."""

    def __init__(
        self, state: StackState, var: Path, folder: Path, *, environment: Mapping[str, str], base: str = BASE
    ) -> None:
        """`folder` is for inputs; `environment` is what the stack was started with."""
        self.var = var
        self.folder = folder
        self.base = base
        self._environment = process_environment(
            {**environment, **stack_environment(state, var), "DJANGO_SETTINGS_MODULE": "accord.settings"}
        )
        self._database_url = state.database_url
        self._connection: psycopg.Connection[Row] | None = None
        parts = urlsplit(state.web_url)
        self.host, self.port = parts.hostname or "", parts.port or 0

    def manage(self, *arguments: str | Path) -> str:
        """One of manage.py's commands, as a user would run it; what it said."""
        return self._run(str(REPOSITORY / "manage.py"), *map(str, arguments))

    def inside(self, *arguments: str | Path) -> Any:  # Any: JSON
        """One of the commands of `chaos_inside`."""
        return json.loads(self._run("-m", "tests.benchmarks.chaos_inside", *map(str, arguments)))

    def query(self, statement: LiteralString, parameters: tuple[object, ...] = ()) -> list[Row]:
        """The rows of a query, on a new connection where the server was killed meanwhile."""
        give_up = time.monotonic() + SECONDS_TO_RECONNECT
        while True:
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(self._database_url, autocommit=True, connect_timeout=5)
                return self._connection.execute(statement, parameters).fetchall()
            except psycopg.OperationalError:
                self.close()
                if time.monotonic() > give_up:
                    raise
                time.sleep(SECONDS_BETWEEN_LOOKS)

    def execute(self, statement: LiteralString) -> None:
        """A statement of our own, whose rows nobody wants."""
        with psycopg.connect(self._database_url, autocommit=True) as connection:
            connection.execute(statement)

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def write_inputs(self) -> None:
        """Pretrain the base; the files that each round's project is made from."""
        write_inputs(self.folder)
        recipe = self.folder / "pretraining.json"
        recipe.write_text(toy_pretraining().model_dump_json())
        self.manage(
            "pretrain", "--recipe", recipe, "--name", self.base, "--corpus", self.folder / "corpus.jsonl"
        )

    def launch(self, slug: str, recipe: RoundRecipe) -> int:
        """A project with the same data as all others, and its round; the round's number in the database.

        What earlier rounds computed is forgotten, else this one would take it over.
        """
        self.execute("UPDATE alignment_program SET fingerprint = ''")  # what has none is not kept again
        self.execute("DELETE FROM alignment_artifact")
        self.manage("create_project", slug)
        self.manage("import_prompts", self.folder / "prompts.jsonl", "--project", slug)
        self.manage("import_preferences", self.folder / "preferences.jsonl", "--project", slug)
        path = write_recipe(self.folder / f"{slug}.json", recipe)
        self.manage("launch_round", "--project", slug, "--base", self.base, "--recipe", path)
        ((round_id,),) = self.query(
            "SELECT r.id FROM alignment_round r JOIN annotation_project p ON p.id = r.project_id "
            "WHERE p.slug = %s",
            (slug,),
        )
        return int(round_id)

    def follow(
        self,
        round_id: int,
        *,
        until: float,
        meanwhile: Callable[[int], None] = lambda _: None,
        weights_alone: bool = False,
    ) -> RoundEnd:
        """Wait for the round's end, or for its last weights, at most until the monotonic time `until`.

        `meanwhile` is called again and again with a number that grows when the round gets on.
        """
        began = time.monotonic()
        while True:
            (row,) = self.query(PROGRESS, (round_id,))
            state, progress = str(row[0]), int(row[1])
            averaged = weights_alone and bool(row[2])
            if state != "running" or averaged or time.monotonic() > until:
                break
            meanwhile(progress)
            time.sleep(SECONDS_BETWEEN_LOOKS)
        seconds = time.monotonic() - began
        stages = self.query(STAGES, (round_id,))
        error = "; ".join(f"{name}: {error}" for name, _, error in stages if error)
        if state == "running":
            state, error = ("averaged", "") if averaged else (state, f"The time given was over. {error}")
        return RoundEnd(
            round_id=round_id,
            state=state,
            error=error,
            seconds=seconds,
            stages={str(name): float(took) for name, took, _ in stages if took is not None},
        )

    def checkpoints(self, slug: str) -> dict[str, str]:
        """The content hash of every checkpoint that the project's round registered, by its name in it."""
        rows = self.query(
            "SELECT name, content_hash FROM registry_checkpoint WHERE name LIKE %s", (f"{slug}-r1-%",)
        )
        return {str(name).removeprefix(f"{slug}-"): str(content) for name, content in rows}

    def live_deployments(self) -> list[int]:
        """The ids of those that answer."""
        return [int(pk) for (pk,) in self.query("SELECT id FROM registry_deployment WHERE state = 'live'")]

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, *arguments],
            env=self._environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise AssertionError(
                f"{' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done.stdout


PROGRESS = """
SELECT r.state, (
    SELECT count(*) FROM alignment_stage s WHERE s.round_id = r.id AND s.state = 'finished'
) + (
    SELECT count(*) FROM alignment_program p JOIN alignment_stage s ON s.id = p.stage_id
    WHERE s.round_id = r.id AND p.state = 'finished'
), EXISTS (
    SELECT FROM alignment_stage s WHERE s.round_id = r.id AND s.name = 'averaging' AND s.state = 'finished'
) FROM alignment_round r WHERE r.id = %s
"""

STAGES = """
SELECT name, extract(epoch FROM finished_at - started_at), error
FROM alignment_stage WHERE round_id = %s ORDER BY position
"""


def chaos_recipe(size: RoundSize) -> RoundRecipe:
    """Everything real, every number small; long enough that programs are killed at their work as well."""
    toy = toy_recipe()
    optimizer = OptimizerConfig(learning_rate=1e-3, num_epochs=size.num_epochs, batch_size=16)
    sampling = SamplingConfig(max_tokens=24)
    trained = {
        name: tuple(variant.model_copy(update={"optimizer": optimizer}) for variant in getattr(toy, name))
        for name in ("reward", "sft", "dpo")
    }
    rejection = toy.rejection.model_copy(update={"num_prompts": size.num_prompts, "sampling": sampling})
    return toy.model_copy(
        update={
            **trained,
            "name": "chaos",
            "rejection": rejection,
            "checkpoint_seconds": size.checkpoint_seconds,
        }
    )
