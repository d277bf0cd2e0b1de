"""Which of the pinned packages the site needs: `python -m deploy.images.web_requirements`.

Comes in: pyproject's `dependencies` and requirements.txt. Goes out: requirements-web.txt, the pins of these
packages and of what they want themselves, as the installed ones say, without torch, vLLM and what tests need.
"""

import sys
import tomllib
from importlib.metadata import requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

REPOSITORY = Path(__file__).resolve().parents[2]
HEAD = (
    "# What the web image installs: pyproject's dependencies and theirs, pinned as in requirements.txt.\n"
    "# Made by python -m deploy.images.web_requirements\n"
)


def web_requirements() -> str:
    """The file's text."""
    pins = {}
    for line in (REPOSITORY / "requirements.txt").read_text().splitlines():
        if "==" in line and not line.startswith("#"):
            pins[canonicalize_name(line.split("==")[0].split("[")[0])] = line
    told = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["dependencies"]
    wanted: set[tuple[NormalizedName, str]] = set()
    waiting = [Requirement(each) for each in told]
    while waiting:
        one = waiting.pop()
        for extra in ("", *one.extras):
            name = canonicalize_name(one.name)
            if (name, extra) in wanted:
                continue
            wanted.add((name, extra))
            for line in requires(name) or ():
                inner = Requirement(line)
                if inner.marker is None or inner.marker.evaluate({"extra": extra}):
                    waiting.append(inner)
    return HEAD + "".join(f"{pins[name]}\n" for name in sorted({name for name, _ in wanted}))


if __name__ == "__main__":
    sys.stdout.write(web_requirements())
