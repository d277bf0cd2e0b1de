"""A policy and a reward model with a chat template of someone else's in vLLM, against transformers."""

from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from alignment.programs import SamplingConfig
from alignment.sampling.engine import PolicyEngine, RewardEngine
from annotation.records import Message
from pretrain.checkpoint_folder import load_causal_lm
from tests.alignment.sampling.conftest import ENGINE
from tests.alignment.sampling.model_factories import make_policy, make_reward_model, transformers_rewards
from tests.pretrain.foreign_folders import family, make_foreign_folder

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore::FutureWarning:vllm")]

CONTEXTS = [
    (Message(role="user", content=f"What does {name} like?"),)
    for name in ("Bado", "Kiru", "Lemo", "<|im_end|>")
]
GREEDY = SamplingConfig(temperature=0.0, max_tokens=12)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_foreign_folder(tmp_path_factory.mktemp("foreign") / "tokenizer", family("chatml"))


def test_a_policy_is_asked_in_its_own_template_and_stops_at_its_own_tokens(
    tokenizer: Path, tmp_path: Path
) -> None:
    folder = make_policy(tmp_path / "policy", tokenizer, seed=1)
    engine = PolicyEngine(folder, ENGINE)
    prompts = [engine.encode(context) for context in CONTEXTS]
    answers = [answer for (answer,) in engine.answer(prompts, [0] * len(prompts), GREEDY, n=1)]
    engine.close()

    peer = AutoTokenizer.from_pretrained(folder)
    assert prompts[0] == peer.apply_chat_template(
        [CONTEXTS[0][0].model_dump()], add_generation_prompt=True, return_dict=False
    )
    model = load_causal_lm(folder)
    for prompt, answer in zip(prompts, answers, strict=True):
        ids = list(prompt)
        with torch.no_grad():
            while len(ids) < len(prompt) + 12 and ids[-1] not in engine.encoder.stop_ids[:1]:
                ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
        assert answer.content == engine.encoder.decode(ids[len(prompt) :])


def test_rewards_are_those_of_transformers(tokenizer: Path, tmp_path: Path) -> None:
    folder = make_reward_model(tmp_path / "reward", tokenizer, seed=5)
    responses = ["Red.", "It is blue.", "Red <|im_end|>"]
    engine = RewardEngine(folder, ENGINE)
    rewards = engine.rewards(CONTEXTS[0], responses)
    engine.close()
    assert rewards == pytest.approx(transformers_rewards(folder, CONTEXTS[0], responses), abs=1e-4)
    assert len(set(rewards)) == 3
