"""`python -m pretrain.needle run.json`: how far and how deep a model finds a fact in a text.

Comes in: a NeedleConfig. Goes out: `needle.svg` (length across, depth down) and the result, cell by cell.
Cells that are done are kept in `cells.jsonl`: a run that was stopped goes on with the next length.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from pydantic import Field

from pretrain.checkpoint_folder import load_causal_lm
from pretrain.corpus import read_corpus
from pretrain.dialog import DialogEncoder
from pretrain.gates import PICTURE_NAME
from pretrain.needle_plot import needle_svg
from pretrain.needles import Cell, even_depths, measure_cells
from pretrain.recall import RecallTask
from pretrain.run import ProgramConfig, ProgramError, RunFolder, program_main, write_atomically
from pretrain.training_data import encode

CELLS_NAME = "cells.jsonl"


class NeedleConfig(ProgramConfig):
    """A needle test of a model of Accord's own dialog protocol.

    Result: {"recall", "preferred", "cells": [{"length", "depth", "num_trials", "recall", "preferred",
    "log_probability", "margin"}]}.
    """

    model: Path
    """A checkpoint folder."""
    corpus: Path
    """The text that needles are put into: .jsonl and .txt files; take text that the model did not learn."""
    lengths: tuple[int, ...] = Field(min_length=1)
    """Tokens of a text with its question and answer."""
    num_depths: int = Field(default=8, ge=1)
    num_trials: int = Field(default=4, ge=1)
    """Needles of each length and depth."""
    num_facts: int = Field(default=1, ge=1)
    """Facts in a text, of which one is asked for."""
    seed: int = 0
    num_threads: int = Field(default=2, ge=1)


def run(config: NeedleConfig, folder: RunFolder) -> None:
    """The whole program, once `run.json` is read."""
    torch.set_num_threads(config.num_threads)
    model = load_causal_lm(config.model)
    most = model.config.max_position_embeddings
    if max(config.lengths) > most:
        raise ProgramError(
            f"The model {config.model} reads {most} tokens: a needle test at {max(config.lengths)} wants a "
            "model trained for that. Ask for shorter lengths."
        )
    encoder = DialogEncoder.from_folder(config.model)
    documents = encode(encoder, read_corpus(config.corpus).documents)
    task = RecallTask(encoder, np.concatenate([np.array(ids) for ids in documents]))
    depths = even_depths(config.num_depths)
    cells = cells_done(folder, config)
    total = len(config.lengths) * len(depths)
    for place in range(len(cells) // len(depths), len(config.lengths)):
        done = len(cells)
        folder.progress(done, total, "cells")
        cells += measure_cells(
            model,
            task,
            lengths=[config.lengths[place]],
            depths=depths,
            num_trials=config.num_trials,
            num_facts=config.num_facts,
            seed=config.seed,
            after_cell=lambda num, done=done: folder.progress(done + num, total, "cells"),
        )
        keep_cells(folder, config, cells)
    write_atomically(folder.path / PICTURE_NAME, needle_svg(cells))
    folder.finish(
        {
            "recall": float(np.mean([cell.recall for cell in cells])),
            "preferred": float(np.mean([cell.preferred for cell in cells])),
            "cells": [asdict(cell) for cell in cells],
        }
    )
    (folder.path / CELLS_NAME).unlink()


def keep_cells(folder: RunFolder, config: NeedleConfig, cells: list[Cell]) -> None:
    """Keep the cells of whole lengths, under the configuration that they were measured by."""
    rows = [config.model_dump(mode="json"), *(asdict(cell) for cell in cells)]
    write_atomically(folder.path / CELLS_NAME, "".join(json.dumps(row) + "\n" for row in rows))


def cells_done(folder: RunFolder, config: NeedleConfig) -> list[Cell]:
    """The cells that an earlier sitting measured under the same configuration."""
    path = folder.path / CELLS_NAME
    if not path.exists():
        return []
    first, *rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Cell(**row) for row in rows] if first == config.model_dump(mode="json") else []


if __name__ == "__main__":
    program_main(NeedleConfig, run)
