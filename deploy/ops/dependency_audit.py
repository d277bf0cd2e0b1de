"""Known vulnerabilities of the pinned packages: `python -m deploy.ops.dependency_audit --advisories FOLDER`.

In: requirement lists, and a folder of advisories in the OSV format (https://ossf.github.io/osv-schema/), YAML
or JSON, such as a clone of PyPA's advisory database or OSV's archive of PyPI unpacked. Nothing is asked over
the network: the audit also works where there is none. Out: a line for each pinned version that an advisory
names, and the day of the newest advisory, since an old folder knows nothing new. Ends with 1 where a finding
is not explained in `explained.toml`.
"""

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from accord.env import REPOSITORY

REQUIREMENTS = (
    REPOSITORY / "requirements.txt",
    REPOSITORY / "deploy" / "ops" / "requirements.txt",
    REPOSITORY / "deploy" / "images" / "gpu-requirements.txt",
)
EXPLAINED = Path(__file__).with_name("explained.toml")
Pins = Mapping[str, Version]
Advisory = Mapping[str, Any]  # Any: as OSV has it


@dataclass(frozen=True, kw_only=True)
class Finding:
    """An advisory that names a pinned version."""

    package: str
    version: Version
    advisory: str
    aliases: tuple[str, ...]
    fixed: tuple[str, ...]
    summary: str

    def __str__(self) -> str:
        names = ", ".join((self.advisory, *self.aliases))
        remedy = f"fixed in {' or '.join(self.fixed)}" if self.fixed else "no fix is known"
        return f"{self.package} {self.version}: {names}; {remedy}. {self.summary}"


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What the advisories say of the pins."""

    findings: tuple[Finding, ...]
    num_advisories: int
    newest: date | None


def pinned(paths: Sequence[Path]) -> Pins:
    """Name and version of every `name==version` line; ValueError for a line that pins nothing."""
    pins: dict[str, Version] = {}
    for path in paths:
        for line in path.read_text().splitlines():
            text = line.partition("#")[0].strip()
            if not text or text.startswith("-"):
                continue
            requirement = Requirement(text)
            exact = [one.version for one in requirement.specifier if one.operator == "=="]
            if len(exact) != 1:
                raise ValueError(
                    f"{path.name} does not pin {requirement.name}: write {requirement.name}==VERSION."
                )
            pins[canonicalize_name(requirement.name)] = Version(exact[0])
    return pins


def audit(pins: Pins, advisories: Path) -> Audit:
    """Look every pin up; FileNotFoundError where the folder has no advisory."""
    findings, number, newest = [], 0, None
    for advisory in read_advisories(advisories):
        number += 1
        day = date.fromisoformat(str(advisory.get("published") or advisory["modified"])[:10])
        newest = day if newest is None else max(newest, day)
        if not advisory.get("withdrawn"):
            findings += list(_findings(pins, advisory))
    if not number:
        raise FileNotFoundError(f"{advisories} has no advisory: give a folder of OSV's YAML or JSON files.")
    findings.sort(key=str)
    return Audit(findings=tuple(findings), num_advisories=number, newest=newest)


def read_advisories(folder: Path) -> Iterator[Advisory]:
    """All of them in the folder and below."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".json":
            found = json.loads(path.read_text())
        elif path.suffix in (".yaml", ".yml"):
            found = yaml.CSafeLoader(path.read_text()).get_single_data()
        else:
            continue
        if isinstance(found, dict) and "affected" in found:
            yield found


def _findings(pins: Pins, advisory: Advisory) -> Iterator[Finding]:
    for affected in advisory["affected"]:
        about = affected.get("package", {})
        name = canonicalize_name(str(about.get("name", "")))
        if about.get("ecosystem") != "PyPI" or name not in pins or not is_affected(pins[name], affected):
            continue
        events = [event for each in _ranges(affected) for event in each["events"]]
        yield Finding(
            package=name,
            version=pins[name],
            advisory=str(advisory["id"]),
            aliases=tuple(advisory.get("aliases", ())),
            fixed=tuple(str(event["fixed"]) for event in events if "fixed" in event),
            summary=" ".join(str(advisory.get("summary") or advisory.get("details", "")).split())[:200],
        )


def is_affected(version: Version, affected: Mapping[str, Any]) -> bool:  # Any: as OSV has it
    """OSV's evaluation: the version is listed, or lies in a range."""
    if any(_version(text) == version for text in affected.get("versions", ())):
        return True
    return any(_in_range(version, each["events"]) for each in _ranges(affected))


def _ranges(affected: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [each for each in affected.get("ranges", ()) if each.get("type") == "ECOSYSTEM"]


def _in_range(version: Version, events: Sequence[Mapping[str, object]]) -> bool:
    inside = False
    known = [
        (kind, at) for event in events for kind, text in event.items() if (at := _version(text)) is not None
    ]
    for kind, at in sorted(known, key=lambda one: (one[1], one[0] != "introduced")):
        if kind == "introduced" and version >= at:
            inside = True
        elif (kind == "fixed" and version >= at) or (kind == "last_affected" and version > at):
            inside = False
    return inside


def _version(text: object) -> Version | None:
    """OSV's "0" is before all; versions that Python's packages cannot have are passed over."""
    try:
        return Version("0.dev0" if str(text) == "0" else str(text))
    except InvalidVersion:
        return None


def explained(path: Path = EXPLAINED) -> Mapping[str, str]:
    """Why a finding does not concern Accord, by the advisory's name."""
    return {str(name): str(reason) for name, reason in tomllib.loads(path.read_text()).items()}


def main() -> int:
    """The findings on standard output; 0 where each is explained."""
    parser = argparse.ArgumentParser(prog="python -m deploy.ops.dependency_audit", description=__doc__)
    parser.add_argument("--advisories", type=Path, required=True, help="a folder of OSV files")
    parser.add_argument("--requirements", type=Path, nargs="+", default=REQUIREMENTS, help="pinned lists")
    arguments = parser.parse_args()
    try:
        pins = pinned(arguments.requirements)
        found = audit(pins, arguments.advisories)
    except (OSError, ValueError, yaml.YAMLError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    reasons = explained()
    new = [finding for finding in found.findings if finding.advisory not in reasons]
    for finding in found.findings:
        sys.stdout.write(f"{finding}\n")
        if finding.advisory in reasons:
            sys.stdout.write(f"  explained: {reasons[finding.advisory]}\n")
    sys.stdout.write(
        f"{len(pins)} packages against {found.num_advisories} advisories, the newest of {found.newest}: "
        f"{len(found.findings)} findings, {len(new)} of them not explained.\n"
    )
    return 1 if new else 0


if __name__ == "__main__":
    sys.exit(main())
