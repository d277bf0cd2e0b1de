"""A page's style sheets, and its modules, each as one file: a browser asks once where it asked forty times.

Comes in: the path of a static file. A style sheet brings what it names by `@import`, a module what it
imports, both as the standards have it, so that each file works unbundled too. Goes out: one text, and its
digest for an address that may be kept for ever. Modules are joined as functions that give what they export.
"""

import gzip
import hashlib
import posixpath
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.exceptions import SuspiciousFileOperation

CONTENT_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
NUM_DIGITS = 16
MOST_KEPT = 64
STYLE_IMPORT = re.compile(r'^@import "([^"]+)";\n', re.MULTILINE)
MODULE_IMPORT = re.compile(r'^import (?:(\{[^}]+\}) from )?"(\.[^"]+)";\n', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
UNJOINABLE = re.compile(r"^\s*(?:import|export)\b|\bimport\(|\bimport\.meta\b| as |^await ", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """One file, as it is sent."""

    content_type: str
    content: bytes
    zipped: bytes
    digest: str


def bundle(path: str) -> Bundle:
    """The file at this path with all that it imports.

    Read once for each process, but anew each time while `settings.DEBUG` is on. Raises FileNotFoundError
    where there is no such style sheet or module.
    """
    return _bundle.__wrapped__(path) if settings.DEBUG else _bundle(path)


@lru_cache(maxsize=MOST_KEPT)
def _bundle(path: str) -> Bundle:
    suffix = posixpath.splitext(path)[1]
    if suffix not in CONTENT_TYPES:
        raise FileNotFoundError(path)
    content = (_styles(path, set()) if suffix == ".css" else _modules(path)).encode()
    return Bundle(
        content_type=CONTENT_TYPES[suffix],
        content=content,
        zipped=gzip.compress(content, mtime=0),
        digest=hashlib.sha256(content).hexdigest()[:NUM_DIGITS],
    )


def _styles(path: str, done: set[str]) -> str:
    """Each sheet in the place where it is first imported."""
    done.add(path)

    def imported(match: re.Match[str]) -> str:
        other = _beside(path, match[1])
        return "" if other in done else _styles(other, done)

    return STYLE_IMPORT.sub(imported, _text(path))


def _modules(path: str) -> str:
    """Each module after those that it imports."""
    names: dict[str, str] = {}
    return "".join(_with_imports(path, names, under_way=()))


def _with_imports(path: str, names: dict[str, str], *, under_way: tuple[str, ...]) -> list[str]:
    """The joined modules; `names` has the variable of each one that is done."""
    assert path not in under_way, f"{path} imports itself by way of {under_way}"
    joined: list[str] = []
    text = _text(path)
    bindings = []
    for wanted, name in MODULE_IMPORT.findall(text):
        other = _beside(path, name)
        if other not in names:
            joined += _with_imports(other, names, under_way=(*under_way, path))
        if wanted:
            bindings.append(f"const {wanted} = {names[other]};\n")
    body, exported = MODULE_IMPORT.sub("", text), EXPORT.findall(text)
    body = EXPORT.sub("", body)
    unknown = UNJOINABLE.search(_without_comments(body))
    assert unknown is None, f"{path}: this cannot be joined: {unknown and unknown[0]}"
    names[path] = f"module{len(names)}"
    gives = ", ".join(exported)
    joined.append(
        f"const {names[path]} = (() => {{\n{''.join(bindings)}{body}return {{ {gives} }};\n}})();\n"
    )
    return joined


def _without_comments(code: str) -> str:
    return re.sub(r"/\*.*?\*/|^\s*//.*$|\"[^\"\n]*\"", "", code, flags=re.DOTALL | re.MULTILINE)


def _beside(path: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), name))


def _text(path: str) -> str:
    """Raises FileNotFoundError where there is no such static file."""
    try:
        found = finders.find(path)
    except SuspiciousFileOperation:
        found = None
    if not isinstance(found, str):
        raise FileNotFoundError(path)
    return Path(found).read_text(encoding="utf-8")
