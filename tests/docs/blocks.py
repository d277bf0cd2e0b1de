"""The fenced blocks of README.md and docs/, and the commands that they and the prose name.

Pure: text comes in, plain data comes out. `<!-- not run here: reason -->` before a block says that nobody
here can follow it to the end, for want of a cluster, root or somebody else's data.
"""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PAGES = (
    REPOSITORY / "README.md",
    *sorted(page for page in (REPOSITORY / "docs").rglob("*.md")),
)

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```[ ]*$", re.M | re.S
)
_MARK = re.compile(r"<!-- not run here: (?P<reason>[^\n]+?) -->\s*\Z")
_CODE = re.compile(r"`([^`\n]+)`")
_ASSIGNMENT = re.compile(r"[A-Z][A-Z0-9_]*=")
_SEPARATORS = ("&&", "||", "|", ";", "&")


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block of a page."""

    page: str
    """The page's path from the repository's root."""
    line: int
    """The fence's line, from 1."""
    language: str
    text: str
    not_run: str
    """Why nobody here follows it to the end; empty where nothing is said."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, kw_only=True)
class Command:
    """One simple command of a shell: no pipe, no redirection, no variable set before it."""

    where: str
    words: tuple[str, ...]
    variables: tuple[str, ...] = ()
    """The names of the variables set for it."""


def page_blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in its order."""
    text = page.read_text(encoding="utf-8")
    blocks = []
    for fence in _FENCE.finditer(text):
        mark = _MARK.search(text[: fence.start()])
        blocks.append(
            Block(
                page=str(page.relative_to(REPOSITORY)),
                line=text.count("\n", 0, fence.start()) + 1,
                language=fence["language"].strip(),
                text=re.sub(rf"^{fence['indent']}", "", fence["text"], flags=re.M),
                not_run=mark["reason"] if mark else "",
            )
        )
    return blocks


def prose(page: Path) -> str:
    """A page without its fenced blocks, line for line."""
    text = page.read_text(encoding="utf-8")
    return _FENCE.sub(lambda fence: "\n" * fence[0].count("\n"), text)


def shell_commands(text: str, where: str) -> list[Command]:
    """The simple commands of a shell block. Raises ValueError where a quotation does not end."""
    commands: list[Command] = []
    for line in text.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        words: list[str] = []
        redirected = False
        for word in [*lexer, ";"]:
            if word in _SEPARATORS:
                if words:
                    commands.append(_command(words, where))
                words = []
            elif word in (">", ">>", "<"):
                redirected = True
            elif redirected:
                redirected = False
            else:
                words.append(word)
    return commands


def named_in_prose(page: Path) -> list[Command]:
    """What the prose names in backquotes as something to type: manage.py, python -m and make."""
    where = str(page.relative_to(REPOSITORY))
    commands = []
    for code in _CODE.findall(prose(page)):
        if re.match(r"(\.venv/bin/)?(python )?(manage\.py|-m) |python -m |make [a-z]", code):
            # No pipes here: a page may write one|other for a choice.
            commands.append(Command(where=where, words=tuple(shlex.split(code))))
    return commands


def without_python(words: tuple[str, ...]) -> tuple[str, ...]:
    """A command's words from manage.py, -m or a script's path on."""
    return words[1:] if re.fullmatch(r"(\.venv/bin/)?python", words[0]) else words


def _command(words: list[str], where: str) -> Command:
    first = next((place for place, word in enumerate(words) if not _ASSIGNMENT.match(word)), len(words))
    return Command(
        where=where,
        words=tuple(words[first:]),
        variables=tuple(word.partition("=")[0] for word in words[:first]),
    )
