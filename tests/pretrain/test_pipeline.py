"""The whole pipeline, from raw files to a base, killed between its steps and within them."""

import importlib
import multiprocessing
import signal
from itertools import pairwise
from pathlib import Path

from pretrain.checkpoints import checkpoints
from pretrain.config import PretrainConfig
from pretrain.pipeline import CurationRecipe, pipeline_steps
from pretrain.run import RunFolder
from tests.pretrain.curation.texts import program, prose
from tests.pretrain.factories import quick_recipe, write_rows
from tests.pretrain.killed import run_killed, run_until

NUM_KILLS = 6
MOST_FILES = 25
BEGUN = "begun.txt"


def write_raw(folder: Path) -> Path:
    """Rows of prose, two like each other, a file of code, and a page."""
    folder.mkdir()
    rows = [{"text": prose(n), "url": f"https://example.org/{n}"} for n in range(24)]
    write_rows(folder / "crawl.jsonl", [*rows, {"text": prose(1) + " More."}, {"title": "neither"}])
    write_rows(folder / "code.jsonl", [{"text": program(n)} for n in range(8)])
    paragraphs = "".join(f"<p>{line}</p>" for line in prose(90).splitlines())
    (folder / "page.html").write_text(f"<html><body><article>{paragraphs}</article></body></html>")
    return folder


def run_pipeline(root: Path, corpus: Path, num_steps: int = 7) -> None:
    """The first steps one after another in this process; seven are all."""
    training = PretrainConfig(
        recipe=quick_recipe(initial={"num_steps": 15, "num_rows": 4, "sequence_length": 32}),
        corpus=corpus,
        mix="by_size",
        out=root / "final",
        out_initial=root / "initial",
        seed=3,
        num_threads=1,
        checkpoint_seconds=1e-9,
    )
    for step in pipeline_steps(root, corpus, CurationRecipe(), training)[:num_steps]:
        with (corpus.parent / BEGUN).open("a") as begun:
            begun.write(f"{step.name}\n")
        step.folder.write_config(step.config)
        step.folder.tidy()
        importlib.import_module(step.module).run(step.config, step.folder)


def made(root: Path) -> dict[str, bytes]:
    """What a base is registered by."""
    return {
        f"{folder}/{path.name}": path.read_bytes()
        for folder in ("final", "initial")
        for path in sorted((root / folder).iterdir())
    }


def killed_in(begun: Path) -> list[str]:
    """In which step each start but the last was killed."""
    names = begun.read_text().splitlines()
    return [name for name, following in pairwise(names) if following == "pages"]


def test_killed_anywhere_the_pipeline_ends_with_the_same_base(tmp_path: Path) -> None:
    corpus = write_raw(tmp_path / "raw")
    run_pipeline(tmp_path / "whole", corpus)
    (tmp_path / BEGUN).unlink()
    root = tmp_path / "killed"
    killed = run_killed(run_pipeline, root, corpus, 6, num_kills=NUM_KILLS, most_files=MOST_FILES, seed=3)
    places = killed_in(tmp_path / BEGUN)
    assert killed == NUM_KILLS
    assert len(set(places)) >= 3, places
    context = multiprocessing.get_context("fork")
    victim = context.Process(target=run_until, args=("checkpoint-0000001", run_pipeline, root, corpus))
    victim.start()
    victim.join(120)
    assert victim.exitcode == -signal.SIGALRM and checkpoints(RunFolder(root)), "killed in the training"
    run_pipeline(root, corpus)
    assert made(root) == made(tmp_path / "whole")
    result = RunFolder(root).read_result()
    assert result is not None and result["corpus"]["documents"] == 33
