"""Rules by which files go although rows name them: old files of finished rounds, of what is in no deployment.

A round is protected, and loses logs and optimizer states alone, while anything that answers descends from a
model of it. The rules come from the environment; without them everything stays.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings

from alignment.models import Round, Stage
from alignment.stages.plan import stage_folder
from pretrain.run import CHECKPOINTS
from registry.models import CheckpointParent, Deployment
from registry.services import ACTIVE_STATES

LOGS = ("log.txt", "*.log", "*.log.old")
CANDIDATES = ("candidates*.jsonl", "answers*.jsonl")


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Days after a round's end; None: for ever."""

    logs: int | None = None
    """What its programs printed."""
    optimizer: int | None = None
    """From which a killed training would go on."""
    candidates: int | None = None
    """Sampled answers, unless the round is protected."""
    runs: int | None = None
    """All of its run folders but the snapshot, unless the round is protected."""


@dataclass(frozen=True, kw_only=True)
class Released:
    """A file or folder that a rule lets go."""

    path: Path
    why: str


def retention() -> Retention:
    """The rules of this site."""
    rules: Retention = Retention(**settings.ACCORD_RETENTION)
    return rules


def released(rules: Retention, now: datetime) -> Iterator[Released]:
    """What the rules let go now."""
    protected = protected_rounds()
    for round_ in Round.objects.filter(state=Round.State.FINISHED).select_related("project"):
        if round_.finished_at is None:
            continue
        age = now - round_.finished_at
        stages = list(Stage.objects.filter(round=round_, attempt__gt=0).select_related("round__project"))
        folders = [stage_folder(stage).parent for stage in stages if stage.name != Stage.Name.SNAPSHOT]
        if _over(rules.logs, age):
            yield from _matching(folders, LOGS, f"a log of {round_}, older than {rules.logs} days")
        if _over(rules.optimizer, age):
            why = f"an optimizer state of {round_}, older than {rules.optimizer} days"
            yield from _matching(folders, (CHECKPOINTS,), why)
        if round_.pk in protected:
            continue
        if _over(rules.runs, age):
            for folder in folders:
                if folder.is_dir():
                    yield Released(path=folder, why=f"a stage of {round_}, older than {rules.runs} days")
        elif _over(rules.candidates, age):
            why = f"answers sampled in {round_}, older than {rules.candidates} days"
            yield from _matching(folders, CANDIDATES, why)


def protected_rounds() -> set[int]:
    """The rounds that made anything from which something that answers, or is about to, descends."""
    needed = set(Deployment.objects.filter(state__in=ACTIVE_STATES).values_list("checkpoint_id", flat=True))
    newest = needed
    while newest:
        parents = CheckpointParent.objects.filter(child__in=newest).values_list("parent_id", flat=True)
        newest = set(parents) - needed
        needed = needed | newest
    # A round that took over what another had made names the same checkpoint: both are protected.
    stages = Stage.objects.filter(result__has_key="checkpoints")
    made = stages.values_list("round_id", "result__checkpoints")
    return {round_id for round_id, checkpoints in made if needed.intersection(checkpoints.values())}


def _over(days: int | None, age: timedelta) -> bool:
    return days is not None and age > timedelta(days=days)


def _matching(folders: list[Path], patterns: tuple[str, ...], why: str) -> Iterator[Released]:
    for folder in folders:
        for pattern in patterns:
            for path in sorted(folder.rglob(pattern)):
                if path.is_file() and not path.is_symlink():
                    yield Released(path=path, why=why)
