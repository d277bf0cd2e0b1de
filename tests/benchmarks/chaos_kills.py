"""Kills parts of a local stack with -9, at random times from a seed.

Comes in: where the stack's data lie, and a seed. Goes out: who was killed, and when. Runs of one seed differ,
since what runs at a time does; the gaps and the choices are the seed's.
"""

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from deploy.local.state import state_read

SERVE = "alignment.sampling.serve"

WEIGHTS = {
    "web": 1.0,
    "default worker": 1.0,
    "sampling worker": 1.0,
    "training worker": 1.0,
    "training program": 3.0,
    "sampling program": 3.0,
    "deployments": 1.0,
    "model server": 2.0,
    "valkey": 1.0,
    "postgres": 1.0,
}
"""Kinds of victims, and how often each is chosen. The default worker holds the clock and advances rounds; a
sampling program's forked engines and a model server's engine process count as the program and the server."""

PARTS = {
    "web": ("web", "web-2"),
    "default worker": ("default",),
    "sampling worker": ("sampling",),
    "training worker": ("training",),
    "deployments": ("deployments",),
    "valkey": ("valkey",),
    "postgres": ("postgres",),
}
"""By kind, the names of the supervisor's children."""

GROWTH = 1.25
"""How much the mean gap grows with each kill since which nothing was finished: a round must end at all."""

LONGEST_MEAN_GAP = 30.0


class Killer:
    """Kills one victim after the other when their times have come."""

    def __init__(
        self, var: Path, *, seed: int, kills: int, mean_gap: float, victims: Sequence[str] = tuple(WEIGHTS)
    ) -> None:
        """`kills` in all, `mean_gap` seconds apart in the mean while the round makes progress."""
        self.victims = victims
        self.by_victim: Counter[str] = Counter()
        self.log: list[tuple[float, str, int]] = []
        """When (seconds since the epoch), which kind, which process."""
        self._var = var
        self._draw = random.Random(seed)
        self._wanted = kills
        self._mean_gap = self._first_gap = mean_gap
        self._progress = -1
        self._due = time.monotonic() + self._gap()

    @property
    def left(self) -> int:
        """Kills that are still to be made."""
        return self._wanted - self.by_victim.total()

    def look(self, progress: int) -> None:
        """Kill if it is time. `progress` is any number that grows when the round gets on."""
        if self.left <= 0 or time.monotonic() < self._due:
            return
        if not self._kill():
            return  # those still wanted do not run yet
        self._mean_gap = (
            self._first_gap if progress != self._progress else min(LONGEST_MEAN_GAP, self._mean_gap * GROWTH)
        )
        self._progress = progress
        self._due = time.monotonic() + self._gap()

    def _kill(self) -> bool:
        found = {kind: victims for kind in self._kinds() if (victims := self._victims(kind))}
        if not found:
            return False
        kinds = sorted(found)
        weights = [WEIGHTS[kind] / (1 + self.by_victim[kind]) for kind in kinds]
        (kind,) = self._draw.choices(kinds, weights)
        pid = self._draw.choice(found[kind])
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self.by_victim[kind] += 1
            self.log.append((time.time(), kind, pid))
        return True

    def _kinds(self) -> list[str]:
        """All, or those that have not been killed yet where no kill is to spare."""
        unharmed = [kind for kind in self.victims if not self.by_victim[kind]]
        return unharmed if unharmed and self.left <= len(unharmed) else list(self.victims)

    def _victims(self, kind: str) -> list[int]:
        if kind in PARTS:
            state = state_read(self._var)
            return [] if state is None else [state.pids[name] for name in PARTS[kind] if name in state.pids]
        return sorted(process.pid for process in running_programs(self._var, IS_OF_KIND[kind]))

    def _gap(self) -> float:
        return self._draw.expovariate(1 / self._mean_gap)


def running_programs(var: Path, is_wanted: Callable[[str], bool]) -> list[psutil.Process]:
    """The processes of programs and model servers whose run folder lies in `var`, with their children."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter(["cmdline"]):
        module = module_of(process.info["cmdline"] or [], var)
        if module is None or not is_wanted(module):
            continue
        with suppress(psutil.Error):
            found |= {each.pid: each for each in [process, *process.children(recursive=True)]}
    return [process for process in found.values() if is_alive(process)]


def module_of(command: list[str], var: Path) -> str | None:
    """The module of a command `python -m MODULE …/run.json` with a run folder in `var`."""
    if "-m" not in command[:-2] or not command[-1].startswith(str(var / "runs")):
        return None
    return command[command.index("-m") + 1]


def is_alive(process: psutil.Process) -> bool:
    """A zombie is dead: whoever has to bury it may take its time."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


IS_OF_KIND: dict[str, Callable[[str], bool]] = {
    "training program": lambda module: module.startswith("alignment.training."),
    "sampling program": lambda module: module.startswith("alignment.sampling.") and module != SERVE,
    "model server": lambda module: module == SERVE,
}
