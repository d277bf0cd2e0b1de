"""The layers hold, and the gold preference is out of reach of everything that trains."""

import os
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from accord.env import REPOSITORY

PACKAGES = (
    *("accord", "accord_client", "accounts", "live", "webhooks", "registry", "web", "demo"),
    *("annotation", "reviewing", "upkeep", "alignment", "pretrain", "deploy"),
)


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*PACKAGES, include_external_packages=True, cache_dir=None)


def test_every_import_contract_holds() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    linted = subprocess.run(
        [linter, "--no-cache"],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "platform")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize("package", ["annotation", "alignment", "pretrain"])
def test_no_chain_of_imports_leads_from_training_to_the_gold_preference(
    graph: grimp.ImportGraph, package: str
) -> None:
    assert "demo.gold" in graph.modules
    assert not graph.find_shortest_chains(importer=package, imported="demo", as_packages=True)


@pytest.mark.parametrize("heavy", ["torch", "transformers", "vllm"])
def test_only_programs_import_what_is_heavy(graph: grimp.ImportGraph, heavy: str) -> None:
    allowed = ("pretrain", "alignment.training", "alignment.sampling")
    importers = graph.find_modules_that_directly_import(heavy)
    assert importers, f"nothing imports {heavy}: does the graph see it?"
    assert not [name for name in importers if not name.startswith(allowed)]
