"""Every command of the README, run for real: on the running stack, in order, with small files and recipes.

Only recipes are exchanged for small ones. `make demo` runs in its `--quick` size, in test_demo.py; `make
test` is what runs this.
"""

import re
import shlex
from pathlib import Path

import pytest

from accord.env import REPOSITORY
from tests.e2e.product.recipes import toy_pretraining, toy_recipe, write_recipe
from tests.e2e.product.stack import RunningStack, write_corpus, write_preferences, write_prompts

pytestmark = [pytest.mark.vllm, pytest.mark.slow]

MANAGE = ".venv/bin/python manage.py "


def commands() -> list[str]:
    """The lines of all shell blocks of the README."""
    text = (REPOSITORY / "README.md").read_text()
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.strip()]


def test_every_make_target_of_the_readme_is_there() -> None:
    named = {line.split()[1] for line in commands() if line.startswith("make ")}
    makefile = (REPOSITORY / "Makefile").read_text()
    assert named == {"demo", "test", "serve"}
    for target in named:
        assert re.search(rf"^{target}:", makefile, flags=re.MULTILINE), target


def test_every_other_command_of_the_readme_works(running_stack: RunningStack, tmp_path: Path) -> None:
    write_corpus(tmp_path / "corpus.jsonl")
    write_prompts(tmp_path / "prompts.jsonl")
    write_preferences(tmp_path / "preferences.jsonl")
    (tmp_path / "pretraining.json").write_text(toy_pretraining().model_dump_json())
    write_recipe(tmp_path / "round.json", toy_recipe())
    ran = []
    for line in commands():
        if line.startswith("make "):
            continue
        assert line.startswith(MANAGE), line
        name, *arguments = shlex.split(line.removeprefix(MANAGE))
        here = _in_this_test(name, arguments, tmp_path, running_stack)
        done = running_stack.manage(name, *here)
        ran.append((name, done.stdout))
    assert [name for name, _ in ran] == [
        "pretrain",
        "import_model",
        "create_project",
        "import_prompts",
        "deploy_models",
        "create_annotators",
        "import_preferences",
        "export_preferences",
        "launch_round",
    ]
    said = dict(ran)
    assert "kept 120" in said["import_preferences"]
    assert '"win_rate"' in said["launch_round"]
    assert (tmp_path / "preferences.parquet").stat().st_size > 0


def _in_this_test(
    name: str, arguments: list[str], folder: Path, running_stack: RunningStack
) -> list[str | Path]:
    """The command's arguments with its files in `folder` and its recipes exchanged for small ones."""
    recipes = {"pretrain": folder / "pretraining.json", "launch_round": folder / "round.json"}
    model = running_stack.var / "runs" / "pretrain" / "my-base" / "final"
    here: list[str | Path] = []
    for before, argument in zip(["", *arguments], arguments, strict=False):
        if before == "--recipe":
            here.append(recipes[name])
        elif argument == "path/to/model":
            here.append(model)
        elif re.search(r"\.(jsonl|json|parquet)$", argument):
            here.append(folder / argument)
        else:
            here.append(argument)
    return here
