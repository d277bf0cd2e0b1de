"""lm-evaluation-harness as an optional extra: what is said without it, and how its results are read."""

import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from alignment.programs import HarnessConfig
from alignment.sampling.harness import model_arguments, run, task_figures
from pretrain.run import ProgramError, RunFolder
from registry.models import Checkpoint
from tests.alignment.sampling.conftest import Models


def test_without_the_extra_the_program_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    config = HarnessConfig(checkpoint=tmp_path, tasks=("sums",), num_threads=1)
    with pytest.raises(ProgramError, match="lm-eval is not installed: install the extra with"):
        run(config, RunFolder(tmp_path))


def test_metrics_come_with_their_standard_errors() -> None:
    result = {
        "alias": "sums",
        "acc,none": 0.35,
        "acc_stderr,none": 0.076,
        "exact_match,strict": 1,
        "exact_match_stderr,strict": "N/A",
    }
    assert task_figures(result, {"original": 50, "effective": 40}) == {
        "num_examples": 40,
        "metrics": {
            "acc": {"value": 0.35, "standard_error": 0.076},
            "exact_match (strict)": {"value": 1.0, "standard_error": None},
        },
    }


def test_the_model_runs_as_in_our_own_programs(models: Models) -> None:
    config = HarnessConfig(checkpoint=models.policy, tasks=("sums",), max_model_len=128)
    assert model_arguments(config) == {
        "pretrained": str(models.policy),
        "dtype": "float32",
        "max_length": 128,
    }
    told = model_arguments(config.model_copy(update={"backend": "vllm"}))
    assert (told["max_model_len"], told["enforce_eager"]) == (128, True)
    assert "model" not in told


@pytest.mark.django_db
def test_a_command_that_cannot_run_says_why(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="There is no model 'nobody'"):
        call_command("lm_eval", "--checkpoint", "nobody", "--tasks", "sums")
    Checkpoint.objects.create(
        name="somebody", kind=Checkpoint.Kind.BASE, path=str(tmp_path), content_hash="0" * 64
    )
    with pytest.raises(CommandError, match="tasks cannot be"):
        call_command("lm_eval", "--checkpoint", "somebody", "--tasks", " , ")
