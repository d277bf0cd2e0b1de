"""The program on a mesh, from a corpus to a checkpoint folder that transformers can load."""

from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from pretrain.checkpoint_folder import load_causal_lm
from pretrain.parallel.config import ParallelConfig
from pretrain.parallel.plan import ParallelPlan
from pretrain.parallel.schedule import Phase, TokenSchedule
from pretrain.parallel.train import main_together
from pretrain.recipe import ModelRecipe
from pretrain.run import RunFolder
from tests.pretrain.factories import corpus_rows, write_rows
from tests.pretrain.parallel.worlds import start_world

PHASES = (
    Phase(from_tokens=0, num_rows=8, sequence_length=32),
    Phase(from_tokens=2048, num_rows=8, sequence_length=64),
)


def run_program(config: ParallelConfig, folder: Path) -> None:
    main_together(config, RunFolder(folder))


@pytest.mark.slow
def test_a_corpus_becomes_a_model_on_a_mesh(tmp_path: Path, tokenizer_folder: Path) -> None:
    config = ParallelConfig(
        model=ModelRecipe(num_layers=2, hidden_size=32, head_size=8),
        tokenizer=tokenizer_folder,
        corpus=write_rows(tmp_path / "corpus.jsonl", corpus_rows(200)),
        out=tmp_path / "model",
        plan=ParallelPlan(pipeline=2, rows_per_microbatch=2),
        schedule=TokenSchedule(num_tokens=12_000, phases=PHASES, learning_rate=2e-2, warmup_tokens=512),
        seed=0,
        log_every=1,
        holdout_fraction=0.1,
        evaluate_every=8,
    )
    start_world(2, run_program, config, tmp_path / "run")
    folder = RunFolder(tmp_path / "run")
    result = folder.read_result()
    assert result is not None
    assert result["mesh"] == "TP 1, CP 1, PP 2, DP 1"
    assert result["num_steps"] == 8 + 20 and result["num_tokens"] == 2048 + 20 * 512
    first = next(row["loss"] for row in folder.read_metrics("metrics") if "loss" in row)
    assert result["loss"] < first - 1.5
    looks = [row["evaluation_loss"] for row in folder.read_metrics("metrics") if "evaluation_loss" in row]
    assert len(looks) == 3
    assert result["holdout_loss"] < looks[1] < looks[0]
    assert not list(folder.path.glob("elastic-*"))
    model = load_causal_lm(config.out)
    weights = sum(weight.numel() for weight in model.parameters())
    assert weights == result["num_parameters"]
    assert torch.isfinite(next(iter(model.parameters()))).all()


def test_looks_at_held_out_documents_want_some(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="give holdout_fraction"):
        ParallelConfig(
            model=ModelRecipe(num_layers=2, hidden_size=32, head_size=8),
            tokenizer=tmp_path,
            corpus=tmp_path,
            out=tmp_path,
            schedule=TokenSchedule(num_tokens=12_000, phases=PHASES, learning_rate=2e-2),
            seed=0,
            evaluate_every=8,
        )
