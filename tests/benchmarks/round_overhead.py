"""What a round costs beside its programs: `python -m tests.benchmarks.round_overhead --json FILE`.

Runs one small round on a local stack of its own and tells where its time went, by the timestamps of rows and
files. A moment is overhead when no program starts or computes: gaps between programs and stages, a program's
last act (writing, hashing, going), and a deployment's waiting. Then counts what an idle system asks the
database in some seconds, by PostgreSQL's own log of statements.
"""

import argparse
import itertools
import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.local.stack import local_stack
from pretrain.run import RunFolder
from tests.benchmarks.chaos import SIZES, commit, device, say
from tests.benchmarks.chaos_site import ChaosSite, chaos_recipe

KINDS = ("computation", "start", "writing", "going")
IDLE_SECONDS = 20.0
SECONDS_TO_REST = 5.0
STATEMENT = re.compile(r"LOG:  (?:statement|execute [^:]*):\s+([^\n]*)")
TRANSACTION_CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


@dataclass(frozen=True, kw_only=True)
class Work:
    """A time in which a program did one of KINDS, in seconds since the epoch."""

    name: str
    """Of the program, with its stage."""
    kind: str
    """Until its first row of metrics a program starts, until its last it computes; then it writes its
    outputs and its result, and goes. The last two are overhead."""
    begin: float
    end: float


@dataclass(frozen=True, kw_only=True)
class Spent:
    """Where a round's time went, in seconds."""

    total: float
    start: float
    """Some program was starting, and none computed."""
    computation: float
    """Some program computed."""
    writing: float
    """A program wrote its outputs, measured or hashed, and no other started or computed."""
    going: float
    """A program with a result had yet to end, or to be seen to have ended."""
    gaps: dict[str, float]
    """By stage: nothing ran at all."""

    @property
    def overhead(self) -> float:
        """Seconds that are neither the programs' start nor computation."""
        return self.writing + self.going + sum(self.gaps.values())


def main() -> int:
    """Run, write the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.round_overhead")
    parser.add_argument("--json", type=Path, required=True, help="the report")
    parser.add_argument("--size", choices=sorted(SIZES), default="full", help="how much the round computes")
    parser.add_argument("--minutes", type=float, default=30.0, help="the longest that the round may take")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="accord-overhead-") as folder, ExitStack() as stack:
        var = Path(folder) / "var"
        state = stack.enter_context(local_stack(var))
        site = ChaosSite(state, var, Path(folder), environment={})
        stack.callback(site.close)
        say("pretraining the base")
        site.write_inputs()
        say("the round")
        round_id = site.launch("round", chaos_recipe(SIZES[arguments.size]))
        until = time.monotonic() + 60 * arguments.minutes
        end = site.follow(round_id, until=until, meanwhile=lambda _: None)
        if end.state != "finished":
            raise SystemExit(f"The round is {end.state}: {end.error}")
        done = list(works(site, round_id))
        found = spent(stage_times(site, round_id), done)
        site.manage("retire_models", "--project", "round")
        time.sleep(SECONDS_TO_REST)
        idle = idle_statements(site, var / "log" / "postgres.log")
    report = {
        "device": device(),
        "commit": commit(),
        **as_report(found),
        "programs": by_program(done),
        "idle": idle,
    }
    arguments.json.write_text(json.dumps(report, indent=2))
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0


def spent(stages: Sequence[tuple[str, float, float]], works: Sequence[Work]) -> Spent:
    """Put every moment of the round where it belongs: computation before start before end before nothing.

    `stages` are (name, begin, end).
    """
    opening, closing = min(begin for _, begin, _ in stages), max(end for _, _, end in stages)
    times = {edge for _, *both in stages for edge in both} | {
        e for work in works for e in (work.begin, work.end)
    }
    edges = sorted(edge for edge in times if opening <= edge <= closing)
    totals = dict.fromkeys(KINDS, 0.0)
    gaps: dict[str, float] = {}
    for begin, end in itertools.pairwise(edges):
        kinds = {work.kind for work in works if work.begin <= begin and end <= work.end}
        kind = next((kind for kind in KINDS if kind in kinds), None)
        if kind is not None:
            totals[kind] += end - begin
        else:
            stage = next((name for name, first, last in stages if first <= begin < last), "between stages")
            gaps[stage] = gaps.get(stage, 0.0) + end - begin
    return Spent(
        total=closing - opening,
        start=totals["start"],
        computation=totals["computation"],
        writing=totals["writing"],
        going=totals["going"],
        gaps=gaps,
    )


def stage_times(site: ChaosSite, round_id: int) -> list[tuple[str, float, float]]:
    """Every stage with its begin and end."""
    rows = site.query(
        "SELECT name, extract(epoch FROM started_at), extract(epoch FROM finished_at) "
        "FROM alignment_stage WHERE round_id = %s ORDER BY position",
        (round_id,),
    )
    return [(str(name), float(begin), float(end)) for name, begin, end in rows]


def works(site: ChaosSite, round_id: int) -> Iterator[Work]:
    """The phases of every program, and the starts of the model servers."""
    programs = site.query(
        "SELECT s.name, p.name, p.folder, "
        "extract(epoch FROM p.started_at), extract(epoch FROM p.finished_at) "
        "FROM alignment_program p JOIN alignment_stage s ON s.id = p.stage_id WHERE s.round_id = %s",
        (round_id,),
    )
    for stage, name, path, started, finished in programs:
        times = [float(row["time"]) for row in RunFolder(Path(path)).read_metrics()]
        # A program that tells nothing on its way has spent its time on its start, but for its result's file.
        told = (Path(path) / "result.json").stat().st_mtime
        first, last = (min(times), max(times)) if times else (told, told)
        edges = [float(started), first, last, max(last, told), float(finished)]
        kinds = ("start", "computation", "writing", "going")
        for kind, (begin, end) in zip(kinds, itertools.pairwise(edges), strict=True):
            if begin < end:
                yield Work(name=f"{stage} {name}", kind=kind, begin=begin, end=end)
    servers = site.query(
        "SELECT id, extract(epoch FROM live_at) FROM registry_deployment WHERE live_at IS NOT NULL"
    )
    for number, live in servers:
        # What the server is told is written just before it is started.
        config = site.var / "runs" / "servers" / f"deployment-{number}" / "run.json"
        if config.exists():
            yield Work(name=f"server {number}", kind="start", begin=config.stat().st_mtime, end=float(live))


def by_program(works: Sequence[Work]) -> dict[str, dict[str, float]]:
    """Seconds of each kind by program, also where others computed meanwhile."""
    found: dict[str, dict[str, float]] = {}
    for work in sorted(works, key=lambda work: work.begin):
        kinds = found.setdefault(work.name, {})
        kinds[work.kind] = round(kinds.get(work.kind, 0.0) + work.end - work.begin, 2)
    return found


def idle_statements(site: ChaosSite, log: Path) -> dict[str, Any]:  # Any: JSON
    """What was asked of the database while nobody wanted anything."""
    site.execute("ALTER SYSTEM SET log_statement = 'all'")
    site.execute("SELECT pg_reload_conf()")
    time.sleep(1.0)
    place = log.stat().st_size
    time.sleep(IDLE_SECONDS)
    with log.open("rb") as lines:
        lines.seek(place)
        said = lines.read().decode(errors="replace")
    site.execute("ALTER SYSTEM RESET log_statement")
    site.execute("SELECT pg_reload_conf()")
    asked = Counter(
        shape(text) for text in STATEMENT.findall(said) if not text.upper().startswith(TRANSACTION_CONTROL)
    )
    return {
        "seconds": IDLE_SECONDS,
        "statements": asked.total(),
        "by_statement": dict(asked.most_common()),
    }


def shape(statement: str) -> str:
    """A statement short enough to read, without its columns and its values."""
    text = re.sub(r'SELECT ".*?" FROM', "SELECT … FROM", statement)
    return re.sub(r"'[^']*'|\b\d+\b", "?", text)[:160]


def as_report(found: Spent) -> dict[str, Any]:  # Any: JSON
    """Seconds and shares."""
    beside_start = found.total - found.start
    return {
        "seconds": round(found.total, 1),
        "seconds_of_programs_start": round(found.start, 1),
        "seconds_of_computation": round(found.computation, 1),
        "seconds_of_overhead": round(found.overhead, 1),
        "share_of_overhead": round(found.overhead / found.total, 3),
        "share_of_overhead_beside_start": round(found.overhead / beside_start, 3),
        "writing": round(found.writing, 1),
        "going": round(found.going, 1),
        "gaps": {stage: round(seconds, 1) for stage, seconds in found.gaps.items()},
    }


if __name__ == "__main__":
    sys.exit(main())
