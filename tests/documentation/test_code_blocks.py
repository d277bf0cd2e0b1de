"""What README and docs tell people to type and to write exists as they tell it.

The README's commands are also run, in `tests/e2e/product/test_first_use.py`. What is neither run nor looked
at here says so on its page, in a comment before the block.
"""

import ast
import importlib.util
import json
import re
import shlex
import tomllib
from argparse import ArgumentParser
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml
from django.core.management import get_commands, load_command_class
from pydantic import TypeAdapter

from accord.env import REPOSITORY
from alignment.launching.kubernetes_client import ClusterAccess
from alignment.launching.kubernetes_manifest import KubernetesOptions
from alignment.launching.slurm_script import SlurmOptions
from alignment.recipe import RoundRecipe
from tests.documentation.blocks import Block, blocks, commands

LANGUAGES = {"sh", "env", "json", "toml", "yaml", "python", "text"}
PYTHON = ".venv/bin/python"


def named(found: list[Block]) -> list[object]:
    """Parameters with names that lead to the page."""
    return [pytest.param(block, id=str(block)) for block in found]


def test_there_are_blocks_and_each_says_its_language() -> None:
    found = blocks()
    assert len(found) > 60
    assert {block.language for block in found} <= LANGUAGES, [
        str(block) for block in found if block.language not in LANGUAGES
    ]


@pytest.mark.parametrize("block", named(blocks("sh")))
def test_every_command_and_its_options_exist(block: Block) -> None:
    if block.why_not_run:
        return
    for words in commands(block):
        check(words, str(block))


def check(words: list[str], where: str) -> None:
    """Fail where it could not be typed."""
    if words[0] == "make":
        assert re.search(f"^{words[1]}:", (REPOSITORY / "Makefile").read_text(), re.MULTILINE), where
    elif words[:2] == [PYTHON, "manage.py"]:
        check_management(words[2], words[3:], where)
    elif words[:2] == [PYTHON, "-m"]:
        check_module(words[2], words[3:], where)
    else:
        assert words[0] == PYTHON and (REPOSITORY / words[1]).exists(), (
            f"{where}: {shlex.join(words)} is neither make nor {PYTHON}: write why it is not run here"
        )


def check_management(name: str, arguments: list[str], where: str) -> None:
    """The command's own parser takes the arguments."""
    command = load_command_class(get_commands()[name], name)
    parser = command.create_parser("manage.py", name)

    def refuse(message: str) -> NoReturn:
        raise AssertionError(f"{where}: manage.py {name} {shlex.join(arguments)}: {message}")

    for each in all_parsers(parser):
        each.error = refuse  # type: ignore[method-assign]
    parser.parse_args(arguments)


def all_parsers(parser: ArgumentParser) -> list[ArgumentParser]:
    """The parser and those of its sub-commands."""
    found = [parser]
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for inner in action.choices.values():
                found += all_parsers(inner)
    return found


def check_module(name: str, arguments: list[str], where: str) -> None:
    """The module is there and knows the options: its source has them, or a part of its package."""
    spec = importlib.util.find_spec(name)
    if spec is not None and spec.submodule_search_locations is not None:
        spec = importlib.util.find_spec(f"{name}.__main__")
    assert spec is not None and spec.origin is not None, f"{where}: there is no module {name} to run"
    if name.partition(".")[0] == "torch":
        return
    source = Path(spec.origin).read_text()
    for option in (word for word in arguments if word.startswith("--")):
        assert f'"{option}"' in source, f"{where}: {name} has no option {option}"


@pytest.mark.parametrize("block", named(blocks("python")))
def test_python_compiles_and_what_it_imports_is_there(block: Block) -> None:
    for node in ast.walk(ast.parse(block.text)):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, each.name) for each in node.names), str(block)
        elif isinstance(node, ast.Import):
            assert all(importlib.util.find_spec(each.name) for each in node.names), str(block)


@pytest.mark.parametrize("block", named(blocks("json")))
def test_json_is_json_and_parts_of_a_recipe_are_taken_by_it(block: Block) -> None:
    text = block.text.replace("{…}", "{}")
    told = json.loads(text if text.lstrip()[0] in "[{" else f"{{{text}}}")
    for name in set(told) & set(RoundRecipe.model_fields) if isinstance(told, dict) else ():
        if text.lstrip()[0] == '"':
            kind: Any = RoundRecipe.model_fields[name].annotation  # Any: what the recipe says
            TypeAdapter(kind).validate_python(told[name])


@pytest.mark.parametrize("block", named(blocks("toml")))
def test_toml_is_what_launchers_take(block: Block) -> None:
    told = tomllib.loads(block.text)
    for name, section in told.items():
        if name == "cluster":
            ClusterAccess.model_validate(section)
        else:
            known = {*SlurmOptions.model_fields, *KubernetesOptions.model_fields}
            assert set(section) <= known, f"{block}: [{name}]"


@pytest.mark.parametrize("block", named(blocks("yaml")))
def test_yaml_is_yaml(block: Block) -> None:
    assert isinstance(yaml.safe_load(block.text), dict)


@pytest.mark.parametrize("block", named(blocks("env")))
def test_variables_are_those_that_accord_reads(block: Block) -> None:
    source = (REPOSITORY / "platform" / "accord" / "env.py").read_text()
    for line in block.text.splitlines():
        variable = line.partition("=")[0].strip()
        assert not variable or f'"{variable}"' in source, f"{block}: {variable}"
