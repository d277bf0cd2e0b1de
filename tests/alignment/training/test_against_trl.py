"""DPO, reward and SFT losses are TRL's, step after step, on the same pre-tokenised rows."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from torch import nn

from alignment.training.reward import reward_model_from
from alignment.training.rows import Row
from tests.alignment.training.factories import make_model, make_row
from tests.benchmarks import accord_side, trl_side
from tests.benchmarks.measuring import Settings, StepClock

pytestmark = pytest.mark.filterwarnings("ignore")  # TRL's own

VOCABULARY = 64
STEP = 4
NUM_STEPS = 5
SETTINGS = Settings(learning_rate=1e-3, bf16=False, step=STEP)


def random_rows(num: int, num_responses: int) -> list[Row]:
    """Rows of many lengths."""
    generator = torch.Generator().manual_seed(num_responses)

    def tokens() -> list[int]:
        length = int(torch.randint(2, 20, (1,), generator=generator))
        drawn: list[int] = torch.randint(2, VOCABULARY, (length,), generator=generator).tolist()
        return drawn

    return [make_row(tokens(), *(tokens() for _ in range(num_responses))) for _ in range(num)]


def fresh_reward_model() -> nn.Module:
    model = reward_model_from(make_model(VOCABULARY), 0)
    torch.manual_seed(1)
    nn.init.normal_(model.score.weight, std=0.1)
    return model


def assert_equal(ours: Sequence[float], theirs: Sequence[float]) -> None:
    assert len(ours) == len(theirs) == NUM_STEPS
    assert ours == pytest.approx(theirs, abs=1e-4)
    assert abs(ours[-1] - ours[0]) > 1e-3


def test_dpo_losses_are_trls_over_several_steps() -> None:
    rows = random_rows(STEP * NUM_STEPS, 2)
    ours, theirs = StepClock(), StepClock()
    accord_side.train_dpo(make_model(VOCABULARY), rows, ours, SETTINGS, max_tokens=64)
    trl_side.train_dpo(make_model(VOCABULARY), rows, theirs, SETTINGS, microbatch=STEP)
    assert_equal(ours.losses, theirs.losses)


@pytest.mark.parametrize("num_responses", [2, 3])
def test_reward_losses_over_all_pairs_are_trls(num_responses: int) -> None:
    rows = random_rows(STEP * NUM_STEPS, num_responses)
    num_pairs = num_responses * (num_responses - 1) // 2
    ours, theirs = StepClock(), StepClock()
    accord_side.train_reward(fresh_reward_model(), rows, ours, SETTINGS, max_tokens=64)
    size = STEP * num_pairs
    trl_side.train_reward(fresh_reward_model(), rows, theirs, replace(SETTINGS, step=size), microbatch=size)
    assert_equal(ours.losses, theirs.losses)


def test_sft_losses_are_trls_over_several_steps() -> None:
    rows = random_rows(STEP * NUM_STEPS, 1)
    ours, theirs = StepClock(), StepClock()
    accord_side.train_sft(make_model(VOCABULARY), rows, ours, SETTINGS, max_tokens=64)
    trl_side.train_sft(make_model(VOCABULARY), rows, theirs, SETTINGS, microbatch=STEP, packed_length=None)
    assert_equal(ours.losses, theirs.losses)
