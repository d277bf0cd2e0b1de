"""The trial that forecasts start from, with a real engine and real steps."""

from pathlib import Path

import pytest

from alignment.programs.speed import SpeedTrialConfig
from alignment.sampling.speed_trial import run
from pretrain.run import RunFolder
from tests.alignment.sampling.conftest import ENGINE, Models

pytestmark = [
    pytest.mark.vllm,
    # transformers looks at all of torch.distributed, deprecated names included.
    pytest.mark.filterwarnings("ignore:`torch.distributed.reduce_op`:FutureWarning"),
]


def test_a_base_is_timed(models: Models, tmp_path: Path) -> None:
    config = SpeedTrialConfig(
        base=models.policy,
        engine=ENGINE,
        precision="fp32",
        num_threads=1,
        row_tokens=32,
        num_rows=2,
        num_steps=2,
        num_answers=8,
        answer_tokens=4,
    )
    folder = RunFolder(tmp_path)
    run(config, folder)
    result = folder.read_result()
    assert result is not None
    assert result["parameters"] > 10_000
    assert 0 < result["sample_seconds_per_token"] < 60
    assert 0 < result["train_seconds_per_token"] < 60
    assert [row["done"] for row in folder.read_metrics("progress")] == [0, 1, 2]
