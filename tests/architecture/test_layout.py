"""The house stands as drawn: where things lie, how long files get, and what no file may name."""

import ast
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from accord.env import REPOSITORY

MOST_LINES = 500
FOLDERS = {".ci", "alignment", "annotation", "deploy", "docs", "platform", "pretrain", "tests"}
FILES = {
    *(".gitignore", "CHANGELOG.md", "LICENSE", "Makefile", "README.md", "manage.py"),
    *("pyproject.toml", "requirements.txt"),
}

ENVIRONMENT_READERS = {
    "platform/accord/env.py",
    "alignment/sampling/environment.py",  # vLLM reads its own when it is imported
    "pretrain/curation/run_on_executor.py",  # tells Ray to report to nobody
    "pretrain/process_words.py",  # a forked process has a mark of its own
}

HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("download", "pytorch", "org"),
        ("registry", "npmjs", "org"),
        ("conda", "anaconda", "org"),
        ("proxy", "golang", "org"),
        ("crates", "io"),
    )
]


def tracked_files() -> list[Path]:
    """Every file that is, or is about to be, under version control."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    names = sorted(set(filter(None, listed.stdout.split("\0"))))
    return [REPOSITORY / name for name in names if (REPOSITORY / name).is_file()]


def python_files() -> Iterator[tuple[str, str]]:
    """The name and the text of every Python file of ours."""
    for path in tracked_files():
        if path.suffix == ".py":
            yield path.relative_to(REPOSITORY).as_posix(), path.read_text()


def test_the_top_level_is_as_drawn() -> None:
    tops = {path.relative_to(REPOSITORY).parts[0] for path in tracked_files()}
    assert tops <= FOLDERS | FILES


def test_the_platform_folder_does_not_hide_pythons_platform() -> None:
    assert not (REPOSITORY / "platform" / "__init__.py").exists()
    assert platform.python_version()
    code = "import platform, sys; sys.exit(not platform.__file__.startswith(sys.base_prefix))"
    assert subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, check=False).returncode == 0


def test_only_the_named_files_read_the_environment() -> None:
    readers = set()
    for name, text in python_files():
        if name.startswith("tests/"):
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
                if node.attr in ("environ", "environb", "getenv", "putenv"):
                    readers.add(name)
            elif isinstance(node, ast.ImportFrom) and node.module == "os":
                readers.update(name for alias in node.names if alias.name in ("environ", "getenv"))
    assert readers <= ENVIRONMENT_READERS


def test_no_file_names_a_package_registry() -> None:
    named: list[str] = []
    for path in tracked_files():
        text = path.read_bytes()
        named.extend(f"{path.name}: {host}" for host in HOSTS if host.encode() in text)
    assert not named


def test_no_file_is_too_long_to_read() -> None:
    lengths = {name: text.count("\n") for name, text in python_files() if "/migrations/" not in name}
    assert not {name: length for name, length in lengths.items() if length > MOST_LINES}


def test_every_file_says_what_it_is_for() -> None:
    silent = [
        name
        for name, text in python_files()
        if text.strip() and "/migrations/" not in name and not ast.get_docstring(ast.parse(text))
    ]
    assert not silent


@pytest.mark.parametrize("folder", ["annotation", "alignment", "pretrain"])
def test_nothing_near_training_mentions_the_gold_preference(folder: str) -> None:
    """Beside the import contract: no import by name, no path to it either."""
    mentions = [
        name
        for name, text in python_files()
        if name.startswith(f"{folder}/") and ("demo.gold" in text or "platform/demo" in text)
    ]
    assert not mentions


def test_what_others_said_of_a_round_is_read_by_its_gate_its_page_and_its_models_cards_alone() -> None:
    readers = {name for name, text in python_files() if name.startswith("alignment/") and '"outside"' in text}
    assert readers == {
        "alignment/evaluation_figures.py",
        "alignment/gates.py",
        "alignment/model_card.py",
        "alignment/outside.py",
        "alignment/outside_exchange.py",
        "alignment/selectors.py",
        "alignment/stages/evaluation.py",
    }
