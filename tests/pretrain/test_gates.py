"""Gated long context with a real model: one that passes all six stages, killed on the way, and a broken one
that holds."""

import multiprocessing
import signal
from pathlib import Path

import pytest

from pretrain.checkpoints import checkpoints, step_of
from pretrain.needle import NeedleConfig
from pretrain.needle import run as run_needle
from pretrain.run import ProgramError, RunFolder
from pretrain.train import run
from tests.pretrain.gated import gated_recipe, gated_run
from tests.pretrain.killed import run_until

INITIAL_STEPS = 150


def test_a_training_killed_in_a_gated_stage_passes_all_six_gates_with_the_same_bits(tmp_path: Path) -> None:
    recipe = gated_recipe()
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    run(gated_run(whole, recipe), RunFolder(whole))

    config = gated_run(killed, recipe, checkpoint_seconds=1e-9)
    name = f"checkpoint-{INITIAL_STEPS + 3:08}-"
    context = multiprocessing.get_context("fork")
    victim = context.Process(target=run_until, args=(name, run, config, RunFolder(killed)))
    victim.start()
    victim.join(300)
    assert victim.exitcode == -signal.SIGALRM
    assert not (killed / "result.json").exists()
    run(config, RunFolder(killed))

    for name in ("base", "initial"):
        expected = (whole / name / "model.safetensors").read_bytes()
        assert (killed / name / "model.safetensors").read_bytes() == expected
    results = [RunFolder(folder).read_result() or {} for folder in (whole, killed)]
    for result in results:
        result.pop("seconds")
    assert results[0] == results[1]
    gates = results[0]["gates"]
    assert [gate["length"] for gate in gates] == [46, 64, 90, 128, 182, 256]
    assert all(gate["recall"] >= 0.9 and gate["passed"] for gate in gates)
    told = [row for row in RunFolder(whole).read_metrics("metrics") if row.get("gate_passed")]
    assert [row["gate_stage"] for row in told] == [1, 2, 3, 4, 5, 6]

    needle = RunFolder(tmp_path / "needle")
    run_needle(
        NeedleConfig(
            model=whole / "base", corpus=config.corpus, lengths=(64, 256), num_depths=3, num_trials=2
        ),
        needle,
    )
    found = needle.read_result()
    assert found is not None and found["recall"] >= 0.9
    assert (needle.path / "needle.svg").exists() and (whole / "needle.svg").exists()


def test_a_model_with_wrong_rotary_positions_holds_and_says_why(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "broken")
    config = gated_run(folder.path, gated_recipe(rope={"theta": 2.0}))
    with pytest.raises(ProgramError) as held:
        run(config, folder)
    assert "Long-context stage 1 of 6 (rows of 46 tokens) holds after 6 steps: the loss at 32" in str(
        held.value
    )
    assert "of the needles are found, fewer than 90%" in str(held.value)
    assert [step_of(path) for path in checkpoints(folder)] == [INITIAL_STEPS + 6]
    with pytest.raises(ProgramError) as again:
        run(config, folder)
    assert str(again.value) == str(held.value)


def test_a_mix_feeds_gated_stages_and_its_ledger_counts_their_text(tmp_path: Path) -> None:
    recipe = gated_recipe(num_stages=1)
    (tmp_path / "run").mkdir()
    config = gated_run(tmp_path / "run", recipe).model_copy(update={"mix": "by_size"})
    run(config, RunFolder(tmp_path / "run"))
    result = RunFolder(tmp_path / "run").read_result() or {}
    (gate,) = result["gates"]
    # Of two rows in long context and in annealing, one is recall.
    rows = recipe.initial.num_steps * 6 * 32 + gate["num_steps"] * 256 + recipe.annealing.num_steps * 256
    assert sum(line["tokens"] for line in result["ledger"]) == rows
