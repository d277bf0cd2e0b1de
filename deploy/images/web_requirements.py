"""Which of the pinned packages the site needs: `python -m deploy.images.web_requirements`.

Comes in: pyproject's `dependencies` and requirements.txt. Goes out: requirements-web.txt, the pins of these
packages and of what they want themselves, as the installed ones say, without torch, vLLM and what tests need.
"""

import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]
HEAD = (
    "# What the web image installs: pyproject's dependencies and theirs, pinned as in requirements.txt.\n"
    "# Made by python -m deploy.images.web_requirements\n"
)


def web_requirements() -> str:
    """The file's text."""
    return HEAD + pinned(wanted_by(project()["dependencies"]))


def project() -> dict[str, Any]:  # Any: TOML
    """What pyproject says of the packages."""
    told: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    return told


def wanted_by(lines: Iterable[str]) -> set[NormalizedName]:
    """These requirements and all that they want themselves, as the installed packages say."""
    wanted: set[tuple[NormalizedName, str]] = set()
    waiting = [Requirement(each) for each in lines]
    while waiting:
        one = waiting.pop()
        for extra in ("", *one.extras):
            name = canonicalize_name(one.name)
            if (name, extra) in wanted:
                continue
            wanted.add((name, extra))
            for line in _requires(name):
                inner = Requirement(line)
                if inner.marker is None or inner.marker.evaluate({"extra": extra}):
                    waiting.append(inner)
    return {name for name, _ in wanted}


def _requires(name: str) -> list[str]:
    """Of a package that is not here nothing is known: vLLM wants some that run on GPUs alone."""
    try:
        return requires(name) or []
    except PackageNotFoundError:
        return []


def pinned(names: Iterable[NormalizedName]) -> str:
    """Their lines of requirements.txt."""
    pins = {}
    for line in (REPOSITORY / "requirements.txt").read_text().splitlines():
        if "==" in line and not line.startswith("#"):
            pins[canonicalize_name(line.split("==")[0].split("[")[0])] = line
    return "".join(f"{pins[name]}\n" for name in sorted(names))


if __name__ == "__main__":
    sys.stdout.write(web_requirements())
