"""Large trainings planned: the paper's numbers, rules between sizes, meshes that do not fit, launch files."""

import subprocess
import sys
from pathlib import Path

import pytest

from pretrain.constants import CONSTANTS, constants_table
from pretrain.dry_run import dry_run, main, plan_from
from pretrain.launch_files import write_launch_files
from pretrain.memory import num_weights
from pretrain.parallel.plan import ParallelPlan
from pretrain.presets import LARGE, TrainingPlan, plan_named
from pretrain.recipe import RECIPES
from pretrain.run import EXIT_USER_ERROR, ProgramError

ALL = [*RECIPES, *LARGE]


@pytest.mark.parametrize(("name", "billions"), [("8b", 8.0), ("70b", 70.6), ("405b", 405.8)])
def test_the_large_shapes_have_the_published_number_of_weights(name: str, billions: float) -> None:
    plan = plan_named(name)
    assert num_weights(plan.model, plan.vocabulary_size) / 1e9 == pytest.approx(billions, rel=0.005)


def test_the_largest_takes_the_paper_s_compute_and_batches() -> None:
    plan = plan_named("405b")
    work = 6 * num_weights(plan.model, plan.vocabulary_size) * plan.num_tokens
    assert work == pytest.approx(3.8e25, rel=0.01)
    assert [stage.tokens_per_step for stage in plan.stages[:3]] == [4 << 20, 8 << 20, 16 << 20]
    assert [stage.mesh.num_processes for stage in plan.stages[:3]] == [8192, 8192, 16_384]
    assert plan.stages[-1].sequence_length == 131_072
    assert sum(stage.num_tokens for stage in plan.stages[3:-1]) == pytest.approx(8e11, rel=0.001)
    assert plan.num_steps == pytest.approx(1_200_000, rel=0.1), "the paper's cosine"


@pytest.mark.parametrize("name", ALL)
def test_every_preset_is_planned_without_hardware(name: str) -> None:
    told = dry_run(plan_named(name))
    for words in ("FLOPs", "tokens/step", "optimizer", "activations", "linearly to 0", "Llama 3 405B"):
        assert words in told


@pytest.mark.parametrize("name", ALL)
def test_every_constant_with_a_rule_follows_it(name: str) -> None:
    plan = plan_named(name)
    for constant in CONSTANTS:
        if constant.expected is not None:
            assert constant.of(plan) == pytest.approx(constant.expected(plan)), constant.name


def test_the_page_has_the_table_that_the_rules_give() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "pretraining.md").read_text(encoding="utf-8")
    assert "\n".join(constants_table(plan_named("tiny"))) in page


def changed(plan: TrainingPlan, **mesh: int) -> TrainingPlan:
    """The plan with another mesh for its first stage."""
    first = plan.stages[0].model_copy(update={"mesh": ParallelPlan.model_validate(mesh)})
    return plan.model_copy(update={"stages": (first, *plan.stages[1:])})


@pytest.mark.parametrize(
    ("mesh", "words"),
    [
        ({"tensor": 16}, "8 key-value heads cannot be shared evenly among 16"),
        ({"tensor": 8, "pipeline": 12}, "126 layers cannot be shared among 12 pipeline stages"),
        ({"tensor": 8, "pipeline": 16, "data": 128}, "8 microbatches in each pipeline, fewer than its 16"),
    ],
)
def test_a_mesh_that_does_not_divide_the_model_gets_a_sentence(mesh: dict[str, int], words: str) -> None:
    with pytest.raises(ProgramError, match="405b, stage initial 1 on TP") as refused:
        dry_run(changed(plan_named("405b"), **mesh))
    assert words in str(refused.value)


def test_the_program_reads_files_writes_launch_files_and_refuses_with_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.json"
    path.write_text(plan_named("8b").model_dump_json())
    assert plan_from(str(path)) == plan_named("8b")
    path.write_text(RECIPES["tiny"]().model_dump_json())
    assert main([str(path), str(tmp_path / "launch")]) == 0
    assert "tiny-tp1-cp1-pp1-dp1.sbatch" in capsys.readouterr().out
    assert main(["huge"]) == EXIT_USER_ERROR
    assert capsys.readouterr().err.startswith("There is no preset huge: choose one of tiny")
    path.write_text("{}")
    assert main([str(path)]) == EXIT_USER_ERROR
    assert "mine.json: name: Field required" in capsys.readouterr().err


def test_launch_files_start_as_many_processes_as_the_mesh_has(tmp_path: Path) -> None:
    paths = {path.name: path.read_text() for path in write_launch_files(plan_named("405b"), tmp_path)}
    assert len(paths) == 9
    script = paths["405b-tp8-cp1-pp16-dp64.sh"]
    assert "--nnodes 1024 --nproc-per-node 8" in script
    subprocess.run(["sh", "-n", str(tmp_path / "405b-tp8-cp1-pp16-dp64.sh")], check=True)
    job = paths["405b-tp8-cp16-pp16-dp8.sbatch"]
    assert "#SBATCH --nodes=2048" in job and "#SBATCH --requeue" in job
    pods = paths["405b-tp8-cp1-pp16-dp128.yaml"]
    assert "completions: 2048" in pods and "nvidia.com/gpu: 8" in pods


def test_planning_needs_no_torch() -> None:
    code = "import sys, pretrain.dry_run; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
