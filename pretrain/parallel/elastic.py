"""Checkpoints that a training on one mesh writes and a training on any other goes on from.

Comes in: this process's parts of weights and moments by their names in the whole model. Goes out: a folder
`elastic-STEP` in PyTorch's distributed checkpoint format, of which each process writes its parts while
training goes on. A folder is written aside, brought to disk and renamed when every process is done, so that
it is complete or absent; beside the parts lies `training.json` with what the loop knows, the tokens consumed,
and the size of every file. The two newest are kept.
"""

import copy
import json
import shutil
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import Tensor, nn

from pretrain.checkpoints import NUM_KEPT, step_of
from pretrain.disk import require_space
from pretrain.loop_state import LoopConfig, LoopState
from pretrain.processes import is_first, summed, wait_for_all
from pretrain.run import ProgramError, RunFolder, sync_folder, write_atomically
from pretrain.sharding import local_part

PATTERN = "elastic-*"
TOLD = "training.json"
MOMENTS = ("exp_avg", "exp_avg_sq")
CHANGEABLE = {"num_steps", "checkpoint_seconds", "log_every"}
"""Fields of the loop's configuration under which a training may go on although they have changed."""


@dataclass(frozen=True)
class Standing:
    """How far a checkpoint is."""

    step: int
    num_tokens: int
    """Consumed from the stream."""


class ElasticStore:
    """The checkpoints of one run folder, written in the background."""

    def __init__(
        self,
        folder: RunFolder,
        tokens_before: Callable[[int], int],
        facts: dict[str, Any],  # Any: JSON
    ) -> None:
        """`tokens_before(step)`: tokens consumed before a step. `facts`: what a training must have in
        common with the one that it goes on from, such as model, documents and seed."""
        self._folder = folder
        self._tokens_before = tokens_before
        self._facts = facts
        # Its own group: what the writers agree on must not mix with what the training sends meanwhile.
        self._group = dist.new_group(backend="gloo") if dist.is_initialized() else None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="checkpoint")
        self._written: Future[None] | None = None

    def save(
        self,
        weights: dict[str, nn.Parameter],
        optimizer: torch.optim.Optimizer,
        state: LoopState,
        config: LoopConfig,
    ) -> None:
        """Copy weights and moments aside and begin to write them. Waits for an older checkpoint first."""
        self.finish()
        path = self._folder.path / f"elastic-{state.step:08}"
        aside = path.with_name(f".{path.name}.writing")
        if is_first():
            shutil.rmtree(aside, ignore_errors=True)
        wait_for_all()
        told = {
            "step": state.step,
            "num_tokens": self._tokens_before(state.step),
            "num_updates": num_updates(optimizer),
            "state": copy.deepcopy(vars(state)),  # training goes on while this is written
            "config": fingerprint(config),
            "facts": self._facts,
        }
        written = dcp.async_save(
            tensors_of(weights, optimizer),
            storage_writer=dcp.FileSystemWriter(aside, sync_files=True),
            process_group=self._group,
        )
        assert isinstance(written, Future)
        self._written = self._thread.submit(self._publish, written, aside, path, told)

    def finish(self) -> None:
        """Wait until the checkpoint that is being written is complete. Raises what kept it from that."""
        if self._written is not None:
            written, self._written = self._written, None
            written.result()
            wait_for_all()

    def load(
        self, weights: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer, config: LoopConfig
    ) -> LoopState:
        """Put the newest complete checkpoint into weights and optimizer; a fresh state where there is none.

        Raises ProgramError where it is of another training.
        """
        self._require_space(weights)
        found = newest(self._folder)
        if found is None:
            return LoopState()
        path, told = found
        for name, theirs, ours in (
            ("configuration", told["config"], fingerprint(config)),
            ("model, data or seed", told["facts"], self._facts),
        ):
            if theirs != ours:
                different = ", ".join(sorted(key for key in ours if theirs.get(key) != ours[key]))
                raise ProgramError(
                    f"{path} is of another {name} ({different}): delete it to start anew, or use another "
                    "run folder. What may change is the mesh, the batches and the row length."
                )
        start_moments(optimizer, told["num_updates"])
        with explained(path):
            dcp.load(tensors_of(weights, optimizer), checkpoint_id=path)
        return LoopState(**told["state"])

    def _publish(self, written: "Future[Any]", aside: Path, path: Path, told: dict[str, Any]) -> None:
        """Give the folder its name once all of it is on disk."""
        written.result()
        if not is_first():
            return
        told["files"] = {part.name: part.stat().st_size for part in aside.iterdir()}
        write_atomically(aside / TOLD, json.dumps(told))
        shutil.rmtree(path, ignore_errors=True)
        aside.rename(path)
        sync_folder(path.parent)
        for older in elastic_checkpoints(self._folder)[NUM_KEPT:]:
            shutil.rmtree(older, ignore_errors=True)

    def _require_space(self, weights: dict[str, nn.Parameter]) -> None:
        """Raise ProgramError unless the disk has room for the checkpoints of this training."""
        own = [local_part(weight) for weight in weights.values()]
        needed = summed({"bytes": float(sum(3 * w.numel() * w.element_size() for w in own))})["bytes"]
        missing = NUM_KEPT - len(elastic_checkpoints(self._folder))
        if is_first() and missing > 0:
            require_space(self._folder.path, int(missing * needed), "this training with its checkpoints")


def elastic_checkpoints(folder: RunFolder) -> list[Path]:
    """The complete checkpoints of a run folder, newest first."""
    return sorted(folder.path.glob(PATTERN), key=step_of, reverse=True)


def standing(folder: RunFolder) -> Standing:
    """How far the newest complete checkpoint is; the beginning where there is none."""
    found = newest(folder)
    return Standing(0, 0) if found is None else Standing(found[1]["step"], found[1]["num_tokens"])


def newest(folder: RunFolder) -> tuple[Path, dict[str, Any]] | None:  # Any: JSON
    """The newest undamaged checkpoint and what it tells. A damaged one is removed, and the log says so."""
    paths = elastic_checkpoints(folder)
    place = (
        next((place for place, path in enumerate(paths) if told_by(path)), len(paths)) if is_first() else 0
    )
    place = int(summed({"place": float(place)})["place"])
    if is_first():
        for damaged in paths[:place]:
            folder.warn(f"The checkpoint {damaged} is damaged and was removed: look after the disk.")
            shutil.rmtree(damaged)
    return None if place == len(paths) else (paths[place], told_by(paths[place]))


def told_by(path: Path) -> dict[str, Any]:  # Any: JSON
    """What a checkpoint tells; nothing where a file of it is missing or has another size."""
    try:
        told: dict[str, Any] = json.loads((path / TOLD).read_text(encoding="utf-8"))
        whole = all((path / name).stat().st_size == size for name, size in told["files"].items())
    except (OSError, ValueError, KeyError):
        return {}
    return told if whole else {}


def load_whole(model: nn.Module, folder: RunFolder) -> None:
    """Put the newest checkpoint's weights into a whole model, in one process by itself."""
    weights = model.named_parameters()
    load_alone(
        {f"weights.{name}": weight.detach() for name, weight in weights}, elastic_checkpoints(folder)[0]
    )


def load_alone(tensors: dict[str, Tensor], path: Path) -> None:
    """Fill whole tensors, by the names of `tensors_of`, from a checkpoint, in one process by itself."""
    with explained(path), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="torch.distributed is disabled")
        dcp.load(tensors, checkpoint_id=path, no_dist=True)


def discard_elastic(folder: RunFolder) -> None:
    """Remove all checkpoints: for a program whose outputs are complete."""
    for path in elastic_checkpoints(folder):
        shutil.rmtree(path, ignore_errors=True)


def tensors_of(weights: dict[str, nn.Parameter], optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """This process's parts of everything that a checkpoint holds, by names that no mesh changes."""
    tensors: dict[str, Tensor] = {}
    for name, weight in weights.items():
        tensors[f"weights.{name}"] = weight.detach()
        for moment in MOMENTS:
            tensors[f"{moment}.{name}"] = optimizer.state[weight][moment]
    return tensors


def start_moments(optimizer: torch.optim.Optimizer, num_updates: int) -> None:
    """Give every weight the state that it would have after so many updates, its moments still zero."""
    for group in optimizer.param_groups:
        for weight in group["params"]:
            optimizer.state[weight] = {
                "step": torch.tensor(float(num_updates)),
                **{moment: torch.zeros_like(weight) for moment in MOMENTS},
            }


def num_updates(optimizer: torch.optim.Optimizer) -> int:
    """How often the optimizer has changed the weights."""
    return int(next(iter(optimizer.state.values()))["step"].item())


def fingerprint(config: LoopConfig) -> dict[str, Any]:  # Any: the fields' own types
    """The fields under which alone a training goes on."""
    return config.model_dump(exclude=CHANGEABLE)


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the checkpoint format's own errors into a sentence."""
    try:
        yield
    except dcp.api.CheckpointException as error:
        (reason, _), *_ = error.failures.values()
        raise ProgramError(
            f"The checkpoint {path} cannot be read ({reason}): delete it to go on from the one before."
        ) from error
