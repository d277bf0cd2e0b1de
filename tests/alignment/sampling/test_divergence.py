"""KL divergence by real engines, against transformers: each log-probability, and one known exactly."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from alignment.divergence import divergence
from alignment.sampling.divergence import log_ratios
from alignment.sampling.engine import PolicyEngine
from pretrain.checkpoint_folder import load_causal_lm, logprobs
from tests.alignment.sampling.conftest import ENGINE, Models
from tests.alignment.sampling.factories import make_prompts

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore::FutureWarning:vllm")]


@pytest.fixture(scope="module")
def engine(models: Models) -> Iterator[PolicyEngine]:
    policy_engine = PolicyEngine(models.policy, ENGINE)
    yield policy_engine
    policy_engine.close()


def test_the_log_probabilities_of_drawn_tokens_are_those_of_transformers(
    engine: PolicyEngine, models: Models
) -> None:
    prompts = [engine.encode(prompt.context) for prompt in make_prompts(3)]
    drawn = engine.draw(prompts, [1, 2, 3], max_tokens=12)
    rows = [[*prompt, *answer.token_ids] for prompt, answer in zip(prompts, drawn, strict=True)]
    model = load_causal_lm(models.policy)
    with torch.no_grad():
        expected = [logprobs(model, row) for row in rows]
    for prompt, answer, read, own in zip(prompts, drawn, engine.logprobs(rows), expected, strict=True):
        assert read == pytest.approx(own, abs=1e-4)
        assert answer.logprobs == pytest.approx(own[len(prompt) - 1 :], abs=1e-4)


def test_the_estimate_is_the_divergence_that_is_known_exactly(engine: PolicyEngine, models: Models) -> None:
    """Of answers of one token the divergence is a sum over the vocabulary."""

    def holding(folder: Path) -> PolicyEngine:
        if engine.folder != folder:
            engine.swap_weights(folder)
        return engine

    prompts = make_prompts(400)
    found = log_ratios(
        holding,
        models.policy,
        {"other": models.other, "itself": models.policy},
        prompts,
        max_tokens=1,
        seed=0,
    )

    models_ = [load_causal_lm(models.policy), load_causal_lm(models.other)]
    with torch.no_grad():
        log_policy_PV, log_other_PV = (
            torch.stack(
                [
                    model(input_ids=torch.tensor([engine.encode(prompt.context)])).logits[0, -1]
                    for prompt in prompts
                ]
            ).log_softmax(-1)
            for model in models_
        )
    exact = float((log_policy_PV.exp() * (log_policy_PV - log_other_PV)).sum(-1).mean())
    estimate = divergence(
        {each.prompt_id: [(each.log_ratio, each.num_tokens)] for each in found if each.reference == "other"}
    )["per_answer"]
    assert abs(estimate["value"] - exact) < 4 * estimate["standard_error"]
    assert exact > 10 * estimate["standard_error"]
    assert all(abs(each.log_ratio) < 1e-4 for each in found if each.reference == "itself")
