"""Chaos: `python -m tests.benchmarks.chaos --kills 100 --json FILE [--seed N]`.

Boots a local stack of its own in a temporary folder and runs a small round undisturbed. Then rounds with the
same data while web, workers, advancers, programs, vLLM, Valkey and PostgreSQL are killed with -9, people
judge over HTTP in another project, and a receiver counts the webhooks. All rounds must end, with the same
weights to the last bit; no judgement and no event may be lost or doubled; nothing may be left behind.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from accord.env import REPOSITORY
from alignment.recipe import RoundRecipe
from deploy.local.stack import local_stack
from tests.benchmarks.chaos_kills import WEIGHTS, Killer
from tests.benchmarks.chaos_people import PeopleAtWork, heard, num_lost_and_doubled
from tests.benchmarks.chaos_site import ChaosSite, RoundEnd, RoundSize, chaos_recipe
from tests.benchmarks.chaos_traces import model_servers, processes_of, stray_programs, temporary_files
from tests.webhooks.receiver import Receiver, receiver

MANY = 1_000_000
JUDGING = "judging"
NUM_PEOPLE = 3
NUM_COMPARISONS = 4000
OVERLAP = 2
SECONDS_TO_SETTLE = 120.0
"""After the last round: what a killed sender had in hand is sent again when its lease is over."""

STACK_ENVIRONMENT = {
    "PROGRAM_LEASE_SECONDS": "15",
    "PROGRAM_ATTEMPTS": str(MANY),
    "WEBHOOK_NETWORKS": "127.0.0.0/8",
}
"""A machine on which everything dies all the time is no reason to give up, nor to wait long."""

SIZES = {
    "short": RoundSize(num_epochs=2, num_prompts=10, checkpoint_seconds=0.5, undisturbed_until_averaged=True),
    "full": RoundSize(num_epochs=12, num_prompts=40, checkpoint_seconds=1.0),
}
MEAN_GAPS = {"short": 3.0, "full": 4.0}


@dataclass(kw_only=True)
class Findings:
    """What came out, for the report."""

    undisturbed: RoundEnd | None = None
    """None where somebody else ran it."""
    disturbed: list[RoundEnd] = field(default_factory=list)
    different: list[str] = field(default_factory=list)
    """Checkpoints that are not there, or are not those of the undisturbed round."""
    num_checkpoints: int = 0
    by_victim: dict[str, int] = field(default_factory=dict)
    judgements: dict[str, int] = field(default_factory=dict)
    num_judgements: int = 0
    repeats: int = 0
    events_lost: int = 0
    events_doubled: int = 0
    left: dict[str, int] = field(default_factory=dict)
    orphans: list[str] = field(default_factory=list)
    temporary_files: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def main() -> int:
    """Run, write the report; 0 where everything held."""
    arguments = parse_arguments(sys.argv[1:])
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="accord-chaos-") as folder:
        # The folder is opened up so that PostgreSQL's user may pass through it.
        var = arguments.keep or Path(folder) / "var"
        findings = chaos(arguments, var, Path(folder))
        findings.orphans += processes_of(var)
        findings.temporary_files = temporary_files(var)
    report = {
        "device": device(),
        "commit": commit(),
        "seed": arguments.seed,
        **as_report(findings),
        "seconds_in_all": round(time.monotonic() - began, 1),
    }
    arguments.json.write_text(json.dumps(report, indent=2))
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0 if is_well(report) else 1


def chaos(arguments: argparse.Namespace, var: Path, folder: Path) -> Findings:
    """The undisturbed round, then the others; the stack has ended when this returns."""
    with receiver() as hook, ExitStack() as stack:
        environment = {**STACK_ENVIRONMENT, "WEBHOOK_PORTS": str(hook.port)}
        state = stack.enter_context(local_stack(var, most_restarts=MANY, environment=environment))
        site = ChaosSite(state, var, folder, environment=environment)
        stack.callback(site.close)
        size = SIZES[arguments.size]
        say("pretraining the base")
        site.write_inputs()
        tokens = site.inside("fill", "--project", JUDGING, *people_wanted())
        site.inside("listen", "--url", hook.url)
        until = time.monotonic() + 60 * arguments.minutes
        say("the undisturbed round")
        recipe = chaos_recipe(size)
        calm = site.follow(
            site.launch("calm", recipe), until=until, weights_alone=size.undisturbed_until_averaged
        )
        findings = Findings(undisturbed=calm)
        say(f"{calm.state} after {calm.seconds:.0f} s {calm.error}")
        if calm.state not in ("averaged", "finished"):
            findings.problems.append(f"The undisturbed round did not finish: {calm.error}")
            return findings
        if calm.state == "averaged":
            site.manage("cancel_round", "--project", "calm", "--number", "1")
        else:
            site.manage("retire_models", "--project", "calm")
        finished = [calm.round_id] if calm.state == "finished" else []
        attack = Attack(site=site, hook=hook, tokens=tokens, folder=folder, until=until, finished=finished)
        strike(attack, arguments, chaos_recipe(size), site.checkpoints("calm"), findings)
    return findings


@dataclass(frozen=True, kw_only=True)
class Attack:
    """The running stack, and who watches and works on it."""

    site: ChaosSite
    hook: Receiver
    """Of the whole site's webhooks."""
    tokens: Sequence[tuple[int, str]]
    """Of the people who judge."""
    folder: Path
    until: float
    """Monotonic time at which it is given up."""
    finished: Sequence[int] = ()
    """Rounds that ended undisturbed under the receiver's eyes."""


def strike(
    attack: Attack,
    arguments: argparse.Namespace,
    recipe: RoundRecipe,
    expected: Mapping[str, str],
    findings: Findings,
) -> None:
    """Kill while people judge and rounds run, then look at everything.

    `expected` are the undisturbed round's checkpoints with their hashes.
    """
    site = attack.site
    people = PeopleAtWork(site.host, site.port, JUDGING, attack.tokens)
    with people:
        killer = Killer(
            site.var,
            seed=arguments.seed,
            kills=arguments.kills,
            mean_gap=arguments.gap,
            victims=arguments.victims,
        )
        disturb(site, recipe, killer, findings, expected, attack.until)
    look_at_people(attack, people, findings)
    look_at_processes(attack, findings)


def disturb(
    site: ChaosSite,
    recipe: RoundRecipe,
    killer: Killer,
    findings: Findings,
    expected: Mapping[str, str],
    until: float,
) -> None:
    """Rounds until all kills are made, each compared with the undisturbed one."""
    findings.num_checkpoints = len(expected)
    while killer.left > 0:
        slug = f"chaos-{len(findings.disturbed) + 1}"
        say(f"{slug}: {killer.left} kills are left")
        round_id = site.launch(slug, recipe)
        end = site.follow(round_id, until=until, meanwhile=killer.look)
        findings.disturbed.append(end)
        findings.by_victim = dict(killer.by_victim)
        say(f"{slug}: {end.state} after {end.seconds:.0f} s {end.error}")
        if end.state != "finished":
            findings.problems.append(f"{slug} is {end.state}: {end.error}")
            return
        found = site.checkpoints(slug)
        names = sorted({**expected, **found})
        findings.different += [f"{slug}-{name}" for name in names if expected.get(name) != found.get(name)]
        site.manage("retire_models", "--project", slug)


def look_at_people(attack: Attack, people: PeopleAtWork, findings: Findings) -> None:
    """Wait until everything was sent, then hold what people and the receiver know against the database."""
    told = people.write_acknowledged(attack.folder / "acknowledged.json")
    give_up = time.monotonic() + SECONDS_TO_SETTLE
    while True:
        checked = attack.site.inside("check", "--project", JUDGING, "--acknowledged", told)
        if not any(checked["left"].values()) or time.monotonic() > give_up:
            break
        time.sleep(1)
        people.put_aside()  # what a request brought whose connection was dropped
    judgements = [one.judgement for one in people.tally.acknowledged]
    ended = [end.round_id for end in findings.disturbed if end.state == "finished"]
    findings.left = {name: number for name, number in checked["left"].items() if number}
    findings.judgements = checked["judgements"]
    findings.num_judgements = len(judgements)
    findings.repeats = people.tally.repeats + people.tally.drops
    findings.problems += people.tally.errors[:5]
    findings.events_lost, findings.events_doubled = num_lost_and_doubled(
        heard(attack.hook), judgements, [*attack.finished, *ended]
    )


def look_at_processes(attack: Attack, findings: Findings) -> None:
    """No program runs when no round does, and one server for each model that is live."""
    var, give_up = attack.site.var, time.monotonic() + SECONDS_TO_SETTLE
    live = frozenset(f"deployment-{pk}" for pk in attack.site.live_deployments())
    while time.monotonic() < give_up and (stray_programs(var) or model_servers(var) != live):
        time.sleep(0.5)
    findings.orphans += [*stray_programs(var), *sorted(model_servers(var) - live)]
    findings.problems += [f"{each} does not run any more" for each in sorted(live - model_servers(var))]


def as_report(findings: Findings) -> dict[str, Any]:  # Any: JSON
    """The findings under the names that others rely on."""
    ends, calm = findings.disturbed, findings.undisturbed
    finished = bool(ends) and all(end.state == "finished" for end in ends)
    return {
        "kills": sum(findings.by_victim.values()),
        "by_victim": dict(sorted(findings.by_victim.items())),
        "rounds": len(ends),
        "finished": finished,
        "bit_identical": finished and not findings.different and findings.num_checkpoints > 0,
        "checkpoints": findings.num_checkpoints,
        "different": findings.different,
        "judgements": findings.num_judgements,
        "judgements_lost": findings.judgements.get("lost", 0),
        "judgements_doubled": findings.judgements.get("duplicates", 0),
        "over_assigned": findings.judgements.get("over_assigned", 0),
        "requests_repeated": findings.repeats,
        "events_lost": findings.events_lost,
        "events_doubled": findings.events_doubled,
        "orphans": len(findings.orphans),
        "leases_left": sum(findings.left.values()),
        "temporary_files": len(findings.temporary_files),
        "left": [*findings.orphans, *findings.temporary_files, *map(str, findings.left.items())],
        "problems": findings.problems,
        "seconds": round(sum(end.seconds for end in ends), 1),
        "seconds_undisturbed": None if calm is None else round(calm.seconds, 1),
        "stages_undisturbed": {} if calm is None else {k: round(took, 1) for k, took in calm.stages.items()},
    }


def is_well(report: dict[str, Any]) -> bool:  # Any: JSON
    """Whether everything held."""
    zero = ("judgements_lost", "judgements_doubled", "over_assigned", "events_lost", "events_doubled")
    nothing_left = ("orphans", "leases_left", "temporary_files")
    return (
        report["finished"]
        and report["bit_identical"]
        and not report["problems"]
        and not any(report[name] for name in (*zero, *nothing_left))
    )


def people_wanted() -> list[str]:
    """The options of `chaos_inside fill`."""
    options = {"--people": NUM_PEOPLE, "--comparisons": NUM_COMPARISONS, "--overlap": OVERLAP}
    return [part for name, value in options.items() for part in (name, str(value))]


def device() -> str:
    """Where it was measured, and what else the machine had to do."""
    return f"{platform.machine()}, {os.cpu_count()} cores, load average {os.getloadavg()[1]:.1f}"


def commit() -> str:
    """What was measured."""
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    return told.stdout.strip()


def say(sentence: str) -> None:
    """Tell whoever waits."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {sentence}\n")
    sys.stderr.flush()


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.chaos")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--json", type=Path, required=True, help="the report")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="the report says where that was not enough"
    )
    parser.add_argument("--size", choices=sorted(SIZES), default="full", help="how much a round computes")
    parser.add_argument("--gap", type=float, default=None, help="mean seconds between two kills")
    parser.add_argument("--victims", nargs="+", choices=sorted(WEIGHTS), default=list(WEIGHTS))
    parser.add_argument("--keep", type=Path, default=None, help="put the stack's data here and keep them")
    chosen = parser.parse_args(arguments)
    chosen.gap = chosen.gap or MEAN_GAPS[chosen.size]
    return chosen


if __name__ == "__main__":
    sys.exit(main())
