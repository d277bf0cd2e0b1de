"""MLflow and Weights & Biases, through their own clients, which are no dependencies of ours.

Each tracker takes a run's rows under a name and returns the key under which the tool keeps the run.
"""

import importlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from accounts.errors import Invalid
from alignment.metrics_export.rows import Row

BATCH = 1000
"""Numbers that MLflow takes in one request."""


class Tracker(Protocol):
    """Where a run's numbers go."""

    @property
    def name(self) -> str:
        """Its own."""
        ...

    def log(self, run: str, key: str, tags: Mapping[str, str], rows: Sequence[Row]) -> str:
        """Add the rows to the run with this key, a new one where it is empty; the key."""
        ...


@dataclass(frozen=True, kw_only=True)
class Mlflow:
    """A tracking server, or a folder or database that MLflow takes as one."""

    uri: str
    experiment: str = "accord"
    name: str = "mlflow"

    def log(self, run: str, key: str, tags: Mapping[str, str], rows: Sequence[Row]) -> str:
        """See Tracker."""
        mlflow = _client("mlflow", "MLFLOW_TRACKING_URI")
        client = mlflow.MlflowClient(tracking_uri=self.uri)
        if not key:
            found = client.get_experiment_by_name(self.experiment)
            experiment = found.experiment_id if found else client.create_experiment(self.experiment)
            key = str(client.create_run(experiment, run_name=run, tags=dict(tags)).info.run_id)
        metric = mlflow.entities.Metric
        numbers = [
            metric(name, value, int(row.time * 1000), row.step)
            for row in rows
            for name, value in row.values.items()
        ]
        for start in range(0, len(numbers), BATCH):
            client.log_batch(key, metrics=numbers[start : start + BATCH])
        return key


@dataclass(frozen=True, kw_only=True)
class WeightsAndBiases:
    """A project there; the account is the client's own business (WANDB_API_KEY, or `wandb login`)."""

    project: str
    folder: Path
    """Where the client keeps its files."""
    name: str = "wandb"

    def log(self, run: str, key: str, tags: Mapping[str, str], rows: Sequence[Row]) -> str:
        """See Tracker."""
        wandb = _client("wandb", "WANDB_PROJECT")
        self.folder.mkdir(parents=True, exist_ok=True)
        key = key or secrets.token_hex(8)  # any string that the project does not have yet
        begun = wandb.init(
            project=self.project,
            id=key,
            name=run,
            config=dict(tags),
            resume="allow",
            dir=str(self.folder),
            settings=wandb.Settings(silent=True),
        )
        for row in rows:
            begun.log(row.values, step=row.step)
        begun.finish()
        return key


def _client(module: str, variable: str) -> Any:  # Any: a package that may not be there
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise Invalid(
            f"{variable} is set, but {module} is not installed here: `.venv/bin/pip install {module}`, "
            "or unset it."
        ) from error
