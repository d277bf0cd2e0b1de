"""Soak: `python -m tests.benchmarks.soak --minutes 20 --json FILE`.

A local stack of its own, 200 people who judge at a person's pace over HTTP, and rounds that run one after
another on the same two cores. Goes out: errors, the 95th percentiles of the two requests that people wait
for, and for every process of the stack how its memory grows: the slope of a line through the second half of
the time, with its standard error. The first half warms up: caches fill, and pools take the connections that
they will keep. Memory is what a process has written for itself; what PostgreSQL's processes share, which
grows until all of `shared_buffers` was in use once, stands beside it.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from deploy.local.stack import local_stack
from deploy.local.state import StackState
from tests.benchmarks.annotation_load_clients import Tally, people_at_work, run
from tests.benchmarks.chaos import commit, device, say
from tests.benchmarks.chaos_site import ChaosSite, RoundSize, chaos_recipe

JUDGING = "judging"
OVERLAP = 2
THINKING = (3.0, 12.0)
"""Seconds that a person takes over a comparison, drawn evenly: quicker than people are."""
JUDGEMENTS_A_MINUTE = 60 / (sum(THINKING) / 2)
SECONDS_BETWEEN_SAMPLES = 5.0
SIZE = RoundSize(num_epochs=6, num_prompts=40, checkpoint_seconds=5.0)
MIB = 1 << 20

SHARED = "postgres shared"

Samples = Mapping[str, Sequence[tuple[float, float]]]
"""(seconds, MiB) of each process by name."""


def main() -> int:
    """Run, write the report; 0 where nobody saw an error."""
    arguments = parsed(sys.argv[1:])
    with tempfile.TemporaryDirectory(prefix="accord-soak-") as folder:
        report = soak(arguments, Path(folder) / "var", Path(folder))
    arguments.json.write_text(json.dumps(report, indent=2))
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 1 if report["errors"] or report["rounds_failed"] else 0


def soak(arguments: argparse.Namespace, var: Path, folder: Path) -> dict[str, Any]:  # Any: JSON
    """The stack has ended when this returns."""
    seconds = 60 * arguments.minutes
    wanted = int(arguments.people * JUDGEMENTS_A_MINUTE * arguments.minutes / OVERLAP * 1.3) + 200
    with local_stack(var) as state:
        site = ChaosSite(state, var, folder, environment={})
        say(f"pretraining the base; {wanted} comparisons for {arguments.people} people")
        site.write_inputs()
        people = {"--people": arguments.people, "--comparisons": wanted, "--overlap": OVERLAP}
        options = [str(part) for pair in people.items() for part in pair]
        tokens = site.inside("fill", "--project", JUDGING, *options)
        samples: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
        over = threading.Event()
        watcher = threading.Thread(target=watch, args=(state, samples, over), name="memory")
        rounds = Rounds(site, time.monotonic() + seconds)
        say("everybody begins")
        watcher.start()
        rounds.start()
        tally = work(site, tokens, seconds)
        over.set()
        watcher.join()
        rounds.join()
        told = folder / "acknowledged.json"
        told.write_text(json.dumps([vars(one) for one in tally.acknowledged]))
        checked = site.inside("check", "--project", JUDGING, "--acknowledged", told)
        site.close()
    return {
        "device": device(),
        "commit": commit(),
        "minutes": arguments.minutes,
        "people": arguments.people,
        "judgements": len(tally.acknowledged),
        "judgements_wrong": checked["judgements"],
        "errors": len(tally.errors),
        "first_errors": tally.errors[:5],
        "p95_next_ms": p95(tally.next_seconds),
        "p95_judgement_ms": p95(tally.judgement_seconds),
        "rounds": rounds.finished,
        "rounds_failed": rounds.failed,
        "memory_mb_per_hour": slopes(samples, seconds),
        "memory_mb": {name: each_minute(rows) for name, rows in sorted(samples.items())},
    }


class Rounds(threading.Thread):
    """Rounds one after another until the time is over; the last is cancelled."""

    def __init__(self, site: ChaosSite, until: float) -> None:
        super().__init__(name="rounds")
        self._site = site
        self._until = until
        self.finished = 0
        self.failed: list[str] = []

    def run(self) -> None:
        """Launch, follow, retire."""
        number = 0
        while time.monotonic() < self._until and not self.failed:
            number += 1
            slug = f"soak-{number}"
            end = self._site.follow(self._site.launch(slug, chaos_recipe(SIZE)), until=self._until)
            say(f"{slug}: {end.state} after {end.seconds:.0f} s {end.error}")
            if end.state == "finished":
                self.finished += 1
                self._site.manage("retire_models", "--project", slug)
            elif end.state == "running":
                self._site.manage("cancel_round", "--project", slug, "--number", "1")
            else:
                self.failed.append(f"{slug} is {end.state}: {end.error}")


def work(site: ChaosSite, tokens: Sequence[tuple[int, str]], seconds: float) -> Tally:
    """Everybody judges at their own pace for so long."""
    people, tally = people_at_work(site.host, site.port, JUDGING, tokens)

    async def all_of_them() -> None:
        began = time.monotonic()

        async def one(number: int) -> None:
            draw = random.Random(number)
            await asyncio.sleep(draw.uniform(0, THINKING[1]))  # they do not all come at once
            while time.monotonic() - began < seconds:
                handed = await people[number].ask_next()
                await asyncio.sleep(draw.uniform(*THINKING))
                if handed is not None:
                    await people[number].judge(handed)

        await asyncio.gather(*(one(number) for number in range(len(people))))

    run(people, all_of_them())
    return tally


def watch(
    state: StackState, samples: defaultdict[str, list[tuple[float, float]]], over: threading.Event
) -> None:
    """Note what each process of the stack holds."""
    began = time.monotonic()
    while not over.wait(SECONDS_BETWEEN_SAMPLES):
        at = time.monotonic() - began
        for name, pid in state.pids.items():
            held = [0, 0]
            with suppress(psutil.Error):
                process = psutil.Process(pid)
                own = [process, *process.children(recursive=True)] if name == "postgres" else [process]
                for each in own:
                    held = [sum(both) for both in zip(held, memory(each.pid), strict=True)]
            samples[name].append((at, held[0] / MIB))
            if name == "postgres":
                samples[SHARED].append((at, held[1] / MIB))


def memory(pid: int) -> tuple[int, int]:
    """Bytes that a process has for itself, and its part of what it shares; none of one that has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0, 0
    kib = {name: int(value.split()[0]) for name, _, value in (line.partition(":") for line in lines[1:])}
    return 1024 * kib["Pss_Anon"], 1024 * kib["Pss_Shmem"]


def slopes(samples: Samples, seconds: float) -> dict[str, dict[str, float]]:
    """MB an hour of each process, a line through the second half by least squares."""
    found = {}
    for name, rows in sorted(samples.items()):
        late = np.array([row for row in rows if row[0] > seconds / 2])
        if len(late) > 4:
            (slope, _), covariance = np.polyfit(late[:, 0] / 3600, late[:, 1] * MIB / 1e6, 1, cov=True)
            found[name] = {
                "slope": round(float(slope), 1),
                "standard_error": round(float(np.sqrt(covariance[0, 0])), 1),
            }
    return found


def each_minute(rows: Sequence[tuple[float, float]]) -> list[float]:
    """The first value of every minute, and the last."""
    first = {int(seconds // 60): round(value * MIB / 1e6, 1) for seconds, value in reversed(rows)}
    return [*(first[minute] for minute in sorted(first)), round(rows[-1][1] * MIB / 1e6, 1)]


def p95(seconds: Sequence[float]) -> float | None:
    """The 95th percentile in milliseconds; None of nothing."""
    return round(1000 * float(np.percentile(seconds, 95)), 1) if seconds else None


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--json", type=Path, required=True, help="the report")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
