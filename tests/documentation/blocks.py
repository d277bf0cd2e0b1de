"""The code blocks of README and docs, and the commands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from accord.env import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
FENCE = re.compile(
    r"(?:<!-- not run here: (?P<why>[^\n]+?) -->\n+)?^ *```(?P<language>\w*)\n(?P<text>.*?)^ *```",
    re.MULTILINE | re.DOTALL,
)
ASSIGNMENT = re.compile(r"[A-Z_]+=")
OPERATORS = {"&&", "|", ";"}


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block."""

    page: Path
    line: int
    language: str
    text: str
    why_not_run: str
    """The reason in the comment before it; empty where there is none."""

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """Those of all pages in these languages; all without any."""
    found = []
    for page in PAGES:
        text = page.read_text()
        for fence in FENCE.finditer(text):
            block = Block(
                page=page,
                line=text.count("\n", 0, fence.start("language")) + 1,
                language=fence["language"],
                text=fence["text"],
                why_not_run=fence["why"] or "",
            )
            if not languages or block.language in languages:
                found.append(block)
    return found


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each command of a shell block, without variables before it and files after it."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words:
            ends = [place for place, word in enumerate(words) if word in OPERATORS] or [len(words)]
            one, words = words[: ends[0]], words[ends[0] + 1 :]
            while one and ASSIGNMENT.match(one[0]):
                one = one[1:]
            if ">" in one:
                one = one[: one.index(">")]
            if one:
                yield one
