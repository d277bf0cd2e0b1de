"""What README.md and docs/ tell people to type exists as it is written there.

Every fenced block has a language. Shell blocks are taken apart: a management command parses its line, a
module and a make target exist with their options. Data blocks parse; Python compiles and finds what it
imports. tests/e2e/product/test_first_use.py runs README's commands; this file is what holds for all pages.
"""

import argparse
import ast
import importlib
import importlib.util
import json
import re
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from django.core.management import CommandError, get_commands, load_command_class

from alignment.recipe import RoundRecipe, small
from tests.docs.blocks import (
    PAGES,
    REPOSITORY,
    Block,
    Command,
    named_in_prose,
    page_blocks,
    prose,
    shell_commands,
    without_python,
)
from webhooks.signing import signature

LANGUAGES = ("sh", "python", "json", "toml", "yaml", "env", "text", "mermaid")
BLOCKS = [block for page in PAGES for block in page_blocks(page)]
# Not Accord's own settings: other programs read them.
_PLACEHOLDERS = {"1234:HASH": f"1234:{'4c0d' * 16}"}
OTHER_VARIABLES = {"PYTHONPATH", "PGOPTIONS", "DEMO_ARGS", "PYTEST_ARGS"}


def of(language: str) -> list[Block]:
    """The blocks in a language, as parameters of a test."""
    return [block for block in BLOCKS if block.language == language]


def test_pages_have_blocks() -> None:
    assert len(of("sh")) > 20
    assert len(of("json")) > 10


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_a_block_names_its_language(block: Block) -> None:
    assert block.language in LANGUAGES, f"{block}: say which of {', '.join(LANGUAGES)} it is."


@pytest.mark.parametrize("block", of("sh"), ids=str)
def test_what_a_shell_block_types_exists(block: Block) -> None:
    for command in shell_commands(block.text, str(block)):
        assert set(command.variables) <= OTHER_VARIABLES | _settings(), command
        if command.words:
            _exists(command, whole=True, others_may=bool(block.not_run))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_the_prose_names_exists(page: Path) -> None:
    for command in named_in_prose(page):
        _exists(command, whole=False, others_may=False)


@pytest.mark.parametrize("block", of("python"), ids=str)
def test_python_compiles_and_finds_what_it_imports(block: Block) -> None:
    tree = ast.parse(block.text, filename=str(block))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                importlib.import_module(alias.name)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(node.module or "")
            for alias in node.names:
                assert hasattr(module, alias.name), f"{block}: {node.module} has no {alias.name}."


def test_the_receiver_on_the_page_of_webhooks_verifies_what_accord_signs() -> None:
    (block,) = [block for block in of("python") if block.page == "docs/webhooks.md"]
    names: dict[str, Callable[[str, str, bytes], bool]] = {}
    exec(compile(block.text, str(block), "exec"), names)
    header = signature("secret", b"{}", int(time.time()))
    assert names["verified"]("secret", header, b"{}")
    assert not names["verified"]("secret", header, b"[]")
    assert not names["verified"]("secret", signature("secret", b"{}", 0), b"{}")


@pytest.mark.parametrize("block", of("json"), ids=str)
def test_json_parses_and_parts_of_a_recipe_are_valid(block: Block) -> None:
    part_of_recipe = block.text.startswith('"')
    data = json.loads(f"{{{block.text}}}" if part_of_recipe else block.text)
    if part_of_recipe:
        whole = small().model_dump(mode="json")
        for name, value in data.items():
            whole[name] = whole[name] | value
        RoundRecipe.model_validate(whole)


@pytest.mark.parametrize("block", of("toml"), ids=str)
def test_toml_parses(block: Block) -> None:
    assert tomllib.loads(block.text)


@pytest.mark.parametrize("block", of("yaml"), ids=str)
def test_yaml_parses(block: Block) -> None:
    assert yaml.safe_load(block.text)


@pytest.mark.parametrize("block", of("env"), ids=str)
def test_environment_files_set_what_is_read(block: Block) -> None:
    for line in block.text.splitlines():
        if line and not line.startswith("#"):
            name, equals, _ = line.partition("=")
            assert equals, f"{block}: {line}"
            assert name in _settings(), f"{block}: nobody reads {name}."


def test_the_settings_of_readme_are_those_that_are_read() -> None:
    rows = re.findall(r"^\| (`[A-Z].*?) \|", (REPOSITORY / "README.md").read_text(), re.M)
    names = [name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)]
    assert set(names) <= _settings()
    assert len(names) == len(set(names)), "A setting stands in README's table twice."


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name).resolve() if name else page
        assert linked.exists(), f"{page.name}: {target}"
        if anchor:
            assert anchor in _anchors(linked), f"{page.name}: {target}"


@pytest.mark.parametrize(
    "line",
    [
        "make no-such-target",
        "manage.py no_such_command",
        ".venv/bin/python manage.py retire_models --project helpful --no-such-option",
        ".venv/bin/python manage.py retire_models",
        ".venv/bin/python -m deploy.local.no_such_module",
        ".venv/bin/python -m demo.run --no-such-option",
        "systemctl start accord",
    ],
)
def test_a_line_that_cannot_work_is_noticed(line: str) -> None:
    (command,) = shell_commands(line, "here")
    with pytest.raises(AssertionError):
        _exists(command, whole=True, others_may=False)


def _exists(command: Command, *, whole: bool, others_may: bool) -> None:
    """Assert that a command can be typed; `whole`: with all that it wants, not only with these options."""
    if whole and without_python(command.words)[0] in ("manage.py", "-m"):
        assert command.words[0] == ".venv/bin/python", f"{command.where}: begin with .venv/bin/python."
    first, *rest = without_python(command.words)
    if first == "make":
        targets = [word for word in rest if "=" not in word]
        assert set(targets) <= _make_targets(), command
    elif first == "manage.py":
        _parses(command, rest[0], rest[1:], whole=whole)
    elif first == "-m":
        _module_takes(command, rest[0], rest[1:])
    elif first.endswith(".py"):
        assert (REPOSITORY / first).is_file(), command
    else:
        assert others_may, f"{command.where}: {first} is not Accord's; mark the block as not run here."


def _parses(command: Command, name: str, arguments: list[str], *, whole: bool) -> None:
    commands = get_commands()
    assert name in commands, f"{command.where}: there is no manage.py {name}."
    app = commands[name]
    loaded = load_command_class(app, name) if isinstance(app, str) else app
    parser = loaded.create_parser("manage.py", name)
    if whole:
        try:
            parser.parse_args([_PLACEHOLDERS.get(word, word) for word in arguments])
        except CommandError as error:
            raise AssertionError(f"{command.where}: {' '.join(command.words)}: {error}") from error
        return
    options = _options(parser)
    for word in arguments:
        if word.startswith("--"):
            assert word.partition("=")[0] in options, f"{command.where}: manage.py {name} has no {word}."


def _options(parser: argparse.ArgumentParser) -> set[str]:
    options = set(parser._option_string_actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                options |= _options(inner)
    return options


def _module_takes(command: Command, name: str, arguments: list[str]) -> None:
    """A module of ours has each option somewhere in its text: running it would start what it starts."""
    if name == "torch.distributed.run":
        # Its own options stand before the module that it starts.
        place = arguments.index("-m")
        name, arguments = arguments[place + 1], arguments[place + 2 :]
    # A page that speaks of several programs at once writes STEP for the name.
    origin = _origin(command, name.removesuffix(".STEP"))
    if name.endswith(".STEP"):
        return
    if origin.name == "__init__.py":
        origin = origin.with_name("__main__.py")
        assert origin.is_file(), f"{command.where}: {name} cannot be run."
    text = origin.read_text(encoding="utf-8")
    assert '__name__ == "__main__"' in text or origin.name == "__main__.py", command
    for word in arguments:
        if word.startswith("--"):
            assert f'"{word.partition("=")[0]}"' in text, f"{command.where}: {name} has no {word}."


def _origin(command: Command, module: str) -> Path:
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        spec = None
    assert spec is not None and spec.origin is not None, f"{command.where}: there is no module {module}."
    return Path(spec.origin)


def _make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.M))


def _settings() -> set[str]:
    """The names that accord/env.py reads, with those of the OpenID provider."""
    sources = [REPOSITORY / "platform/accord/env.py", REPOSITORY / "platform/accounts/oidc_provider.py"]
    names = {name for source in sources for name in re.findall(r"\"([A-Z][A-Z_]+)\"", source.read_text())}
    return names | {f"RETAIN_{kind}_DAYS" for kind in ("LOGS", "OPTIMIZER", "CANDIDATES", "RUNS")}


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.M)
    plain = [re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings]
    return {re.sub(r"[-\s]+", "-", heading) for heading in plain}
