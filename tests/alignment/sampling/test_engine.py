"""vLLM inside a program, against transformers: the same answers, the same rewards, proven weights."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from transformers.models.llama.modeling_llama import LlamaForSequenceClassification

from alignment.canary import read_canary
from alignment.programs import SamplingConfig
from alignment.sampling.engine import PolicyEngine, RewardEngine, prompt_seed
from annotation.records import Message
from pretrain.checkpoint_folder import load_causal_lm
from pretrain.run import ProgramError
from tests.alignment.sampling.conftest import ENGINE, Models
from tests.alignment.sampling.factories import make_prompts

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore::FutureWarning:vllm")]

SAMPLING = SamplingConfig(temperature=1.0, max_tokens=12)
CONTEXT = (Message(role="user", content="What is 2 + 2?"),)


def test_greedy_answers_are_those_of_transformers(policy_engine: PolicyEngine, models: Models) -> None:
    prompt = policy_engine.encode(CONTEXT)
    model = load_causal_lm(models.policy)
    ids = list(prompt)
    with torch.no_grad():
        for _ in range(12):
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
            if ids[-1] in policy_engine.encoder.stop_ids:
                break

    greedy = SamplingConfig(temperature=0.0, max_tokens=12)
    ((answer,),) = policy_engine.answer([prompt], [0], greedy, n=1)

    assert answer.content == policy_engine.encoder.decode(ids[len(prompt) :])
    assert answer.num_tokens == len(ids) - len(prompt)


def test_answers_depend_on_the_seed_and_not_on_the_company(policy_engine: PolicyEngine) -> None:
    prompts = [policy_engine.encode(prompt.context) for prompt in make_prompts(40)]
    seeds = [prompt_seed(7, str(number)) for number in range(40)]

    together = policy_engine.answer(prompts, seeds, SAMPLING, n=4)
    alone = policy_engine.answer(prompts[5:6], seeds[5:6], SAMPLING, n=4)
    otherwise = policy_engine.answer(prompts[5:6], [prompt_seed(8, "5")], SAMPLING, n=4)

    assert together[5] == alone[0] != otherwise[0]
    assert len({answer.content for answer in alone[0]}) > 1


def test_rewards_are_those_of_transformers(reward_engine: RewardEngine, models: Models) -> None:
    responses = ["4", "It is four.", "I will not say.", "4"]
    model = LlamaForSequenceClassification.from_pretrained(models.reward_model).eval()
    encoder = reward_engine.encoder
    rows = [
        encoder.encode_context(CONTEXT) + encoder.encode_response(response)[0] for response in responses
    ]
    with torch.no_grad():
        expected = [float(model(input_ids=torch.tensor([row])).logits[0, 0]) for row in rows]

    rewards = reward_engine.rewards(CONTEXT, responses)

    assert rewards == pytest.approx(expected, abs=1e-4)
    assert len(set(rewards)) == 3


def test_a_row_longer_than_the_reward_models_limit_is_scored_by_its_end(reward_engine: RewardEngine) -> None:
    (reward,) = reward_engine.rewards(CONTEXT, ["four " * 200])

    assert reward == pytest.approx(reward_engine.rewards((), ["four " * 200])[0], abs=1e-4)


def test_weights_move_into_the_running_engine(policy_engine: PolicyEngine, models: Models) -> None:
    canary = read_canary(models.other)
    assert canary is not None
    assert policy_engine.canary_difference(canary) > 0.5

    assert policy_engine.swap_weights(models.other)

    assert policy_engine.canary_difference(canary) < 1e-5


def test_after_a_swap_no_prompt_of_the_old_weights_is_reused(
    policy_engine: PolicyEngine, models: Models
) -> None:
    context = (Message(role="user", content="Say it again. " * 10),)
    prompt = policy_engine.encode(context)
    before = policy_engine.answer([prompt], [3], SAMPLING, n=2)
    policy_engine.swap_weights(models.other)
    swapped = policy_engine.answer([prompt], [3], SAMPLING, n=2)
    policy_engine.swap_weights(models.policy)

    assert policy_engine.answer([prompt], [3], SAMPLING, n=2) == before != swapped


def test_tied_embeddings_are_caught_and_the_engine_is_built_anew(models: Models) -> None:
    engine = PolicyEngine(models.tied, ENGINE)
    canary = read_canary(models.other_tied)
    assert canary is not None

    assert not engine.swap_weights(models.other_tied)

    assert engine.canary_difference(canary) < 1e-5
    engine.close()


def test_a_folder_whose_weights_are_not_the_canarys_is_refused(models: Models, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    shutil.copytree(models.policy, wrong)
    shutil.copy(models.other / "model.safetensors", wrong)

    with pytest.raises(ProgramError, match="away from its canary"):
        PolicyEngine(wrong, ENGINE)


def test_another_architecture_gets_another_engine(
    policy_engine: PolicyEngine, models: Models, tmp_path: Path
) -> None:
    longer = tmp_path / "longer"
    shutil.copytree(models.policy, longer)
    config = json.loads((longer / "config.json").read_text())
    (longer / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 128}))

    assert not policy_engine.swap_weights(longer)

    assert policy_engine.max_model_len == 128
