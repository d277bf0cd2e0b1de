"""A sweep for real, very small: killed and started again, fitted, drawn."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from pretrain.failures import ProgramError
from pretrain.run import RunFolder
from pretrain.scaling import fit
from pretrain.scaling.fit import FitConfig
from pretrain.scaling.plan import RunPlan, SizeRule, plan_runs
from pretrain.scaling.points import RunPoint, read_points, write_points
from pretrain.scaling.report import FitRecipe
from pretrain.scaling.sweep import SweepRecipe, prepare, run_sweep
from pretrain.scaling.tasks import make_tasks, read_tasks
from tests.pretrain.factories import sentences, write_rows
from tests.pretrain.killed import run_killed
from tests.pretrain.scaling.runs import parabola_runs

RECIPE = SweepRecipe(
    vocabulary_size=320,
    num_rows=2,
    sequence_length=16,
    num_tasks=20,
    holdout_fraction=0.2,
    sizes=SizeRule(
        num_sizes=4,
        head_size=8,
        width_step=8,
        min_layers=1,
        min_tokens_per_weight=1e-3,
        max_tokens_per_weight=99,
    ),
)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """Documents long enough for tasks."""
    rows = [{"text": " ".join(sentences(25, seed))} for seed in range(15)]
    return write_rows(tmp_path / "corpus.jsonl", rows)


def sweep(corpus: Path, folder: Path) -> None:
    """Four runs of one budget; their points in a file."""
    torch.set_num_threads(1)
    run_folder = RunFolder(folder)
    data = prepare(corpus, None, RECIPE, 0, run_folder)
    plans: list[RunPlan] = plan_runs(
        [3e8],
        RECIPE.sizes,
        vocabulary_size=data.encoder.vocabulary_size,
        num_rows=RECIPE.num_rows,
        sequence_length=RECIPE.sequence_length,
    )
    write_points(folder / "points.jsonl", run_sweep(plans, data, RECIPE, 0, run_folder))


def test_a_sweep_killed_again_and_again_ends_in_the_same_points_and_does_no_run_twice(
    corpus: Path, tmp_path: Path
) -> None:
    sweep(corpus, tmp_path / "whole")
    assert run_killed(sweep, corpus, tmp_path / "killed", num_kills=3) > 0
    whole, killed = (tmp_path / name / "points.jsonl" for name in ("whole", "killed"))
    assert whole.read_text() == killed.read_text()
    points = read_points(whole)
    assert len(points) == 4 and all(point.accuracy is not None and 0 < point.loss < 6 for point in points)
    for path in (tmp_path / "whole" / "runs").glob("*/result.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "loss": 1.25}))
    sweep(corpus, tmp_path / "whole")
    assert {point.loss for point in read_points(whole)} == {1.25}
    progress = list(RunFolder(tmp_path / "whole").read_metrics("progress"))
    assert progress[-1]["done"] == progress[-1]["total"] and progress[-1]["unit"] == "GFLOP"


def test_a_law_is_reported_with_intervals_forecasts_and_drawings(tmp_path: Path) -> None:
    points = parabola_runs(0.53, 0.29, noise=0.003, seed=0, accuracy_of=(0.9, 8.0))
    # The best of this budget lies outside of its runs.
    points += [
        RunPoint(budget=1e18, num_tokens=10**at, loss=3 - at / 10, answer_nll=1.2, accuracy=0.3)
        for at in (8, 8.5, 9, 9.5)
    ]
    write_points(tmp_path / "points.jsonl", points)
    folder = RunFolder(tmp_path / "run")
    recipe = FitRecipe(targets=(3.8e25,), num_draws=50)
    fit.run(FitConfig(points=tmp_path / "points.jsonl", fit=recipe), folder)
    result = folder.read_result()
    assert result is not None
    low, high = result["exponent"]["interval"]
    assert low < result["exponent"]["value"] < high
    (forecast,) = result["forecasts"]
    assert forecast["num_tokens"]["interval"][0] < 0.29 * 3.8e25**0.53 < forecast["num_tokens"]["interval"][1]
    assert abs(result["held_out"]["errors"]["accuracy"]) < 0.05
    names = ("isoflop", "tokens", "loss", "answers", "accuracy")
    assert result["plots"] == [f"plots/{name}.svg" for name in names]
    for plot in result["plots"]:
        drawing = ElementTree.fromstring((folder.path / plot).read_text())
        assert len(list(drawing.iter("{http://www.w3.org/2000/svg}circle"))) >= 6
    warnings = [row["warning"] for row in folder.read_metrics("warning")]
    assert warnings == [
        "The best model of 1e+18 FLOPs is not among its runs: the budget was left out of the law. "
        "Add smaller or larger models to it."
    ]


def test_broken_points_and_tasks_are_refused_with_their_line(tmp_path: Path) -> None:
    broken = tmp_path / "points.jsonl"
    broken.write_text('{"budget": 1, "num_tokens": 1, "loss": 1}\n{"budget": -1}\n')
    with pytest.raises(ProgramError, match=r"line 2: budget: .*Mend the line"):
        read_points(broken)
    broken.write_text("")
    with pytest.raises(ProgramError, match="no runs"):
        read_points(broken)
    broken.write_text('{"context": "a", "choices": ["b", "c"], "answer": 2}\n')
    with pytest.raises(ProgramError, match="line 1: answer counts the choices from 0"):
        read_tasks(broken)
    with pytest.raises(ProgramError, match="No held-out document has 400 characters"):
        make_tasks(["short"], 5, 0)
