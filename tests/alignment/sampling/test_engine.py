"""vLLM inside a program, against transformers: the same answers, the same rewards, proven weights."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from alignment.canary import Canary, read_canary
from alignment.encoding import encode_sft
from alignment.length_control import sigmoid
from alignment.programs import PREDICTIONS, PredictConfig, SamplingConfig
from alignment.quality.examples import examples_from_candidates
from alignment.records import Candidate, Prediction, SftExample, ShownPair
from alignment.sampling.candidates import candidate_set
from alignment.sampling.engine import PolicyEngine, RewardEngine, prompt_seed
from alignment.sampling.predicting import predictions, run
from alignment.training.forward import target_logprobs
from alignment.training.rows import Row, language_rows
from annotation.records import Message, write_records
from pretrain.checkpoint_folder import load_causal_lm
from pretrain.packed.attention import use_planned_attention
from pretrain.run import RunFolder
from tests.alignment.sampling.conftest import ENGINE, Models
from tests.alignment.sampling.factories import make_draw, make_prompts
from tests.alignment.sampling.model_factories import make_overfit_policy, transformers_rewards

pytestmark = [pytest.mark.vllm, pytest.mark.filterwarnings("ignore::FutureWarning:vllm")]

SAMPLING = SamplingConfig(temperature=1.0, max_tokens=12)
CONTEXT = (Message(role="user", content="What is 2 + 2?"),)


@pytest.fixture(scope="module")
def engines(models: Models) -> Iterator[tuple[PolicyEngine, RewardEngine]]:
    policy_engine = PolicyEngine(models.policy, ENGINE)
    reward_engine = RewardEngine(models.reward_model, ENGINE)
    yield policy_engine, reward_engine
    policy_engine.close()
    reward_engine.close()


@pytest.fixture
def policy_engine(engines: tuple[PolicyEngine, RewardEngine], models: Models) -> PolicyEngine:
    """An engine that holds `models.policy`, whatever the test before moved into it."""
    if engines[0].folder != models.policy:
        assert engines[0].swap_weights(models.policy)
    return engines[0]


@pytest.fixture
def reward_engine(engines: tuple[PolicyEngine, RewardEngine]) -> RewardEngine:
    return engines[1]


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


def test_a_sampled_tool_call_is_learned_token_by_token_as_it_was_sampled(
    policy_engine: PolicyEngine, reward_engine: RewardEngine, models: Models, tmp_path: Path
) -> None:
    encoder = policy_engine.encoder
    prompt = encoder.encode_context(CONTEXT)
    call = encoder.encode_response("print(2 + 2)", tool_call=True)[0]
    caller = make_overfit_policy(tmp_path / "caller", models.policy, prompt + call, len(prompt))
    policy_engine.swap_weights(caller)

    greedy = SamplingConfig(temperature=0.0, max_tokens=30)
    ((answer,),) = policy_engine.answer([prompt], [0], greedy, n=1)

    assert (answer.finish, answer.content, answer.num_tokens) == ("tool_call", "print(2 + 2)", len(call))
    draw = make_draw(make_prompts(1)[0].model_copy(update={"context": CONTEXT}))
    (reward,) = reward_engine.rewards(CONTEXT, [answer.message])
    assert reward == pytest.approx(reward_engine.score([prompt + call])[0], abs=1e-4)
    assert reward != pytest.approx(reward_engine.rewards(CONTEXT, [answer.content])[0], abs=1e-2)
    candidate = Candidate(
        content=answer.content, num_tokens=answer.num_tokens, finish=answer.finish, reward=reward
    )
    (example,), left_out = examples_from_candidates([candidate_set(draw, [candidate])])
    assert not left_out
    (encoded,) = encode_sft(SftExample.model_validate_json(example.model_dump_json()), encoder)
    assert (encoded.context, encoded.responses) == (prompt, [call])


def test_rewards_are_those_of_transformers(reward_engine: RewardEngine, models: Models) -> None:
    responses = ["4", "It is four.", "I will not say.", "4"]
    expected = transformers_rewards(models.reward_model, CONTEXT, responses)

    rewards = reward_engine.rewards(CONTEXT, responses)

    assert rewards == pytest.approx(expected, abs=1e-4)
    assert len(set(rewards)) == 3


def test_predictions_are_the_rewards_difference_over_the_temperature(
    reward_engine: RewardEngine, models: Models
) -> None:
    left, right = transformers_rewards(models.reward_model, CONTEXT, ["4", "I will not say."])
    pair = ShownPair(id=7, context=CONTEXT, left="4", right="I will not say.")
    (told,) = predictions(reward_engine, [pair], 2.0)
    assert told.id == 7
    assert told.left == pytest.approx(sigmoid((left - right) / 2.0), abs=1e-4)


def test_a_prediction_reads_a_call_of_a_tool_as_one(reward_engine: RewardEngine) -> None:
    words = ShownPair(id=1, context=CONTEXT, left="go()", right="4")
    call = words.model_copy(update={"id": 2, "tool_calls": ("left",)})
    told = predictions(reward_engine, [words, ShownPair.model_validate_json(call.model_dump_json())], 1.0)
    assert told[0].left != told[1].left


def test_what_is_longer_than_the_reward_model_reads_gets_no_prediction(reward_engine: RewardEngine) -> None:
    long = ShownPair(id=1, context=CONTEXT, left="4", right="four " * 2000)
    short = ShownPair(id=2, context=CONTEXT, left="4", right="I will not say.")
    found = {one.id: one.left for one in predictions(reward_engine, [long, short], 1.0)}
    assert found[1] is None
    assert [Prediction(id=2, left=found[2])] == predictions(reward_engine, [short], 1.0)


def test_predictions_go_on_after_the_last_whole_line(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    pairs = [ShownPair(id=number, context=CONTEXT, left="a", right="b") for number in (1, 2)]
    write_records(tmp_path / "pairs.jsonl", pairs)
    lines = [Prediction(id=number, left=0.25).model_dump_json() for number in (1, 2)]
    (folder.path / PREDICTIONS).write_text("\n".join([*lines, lines[0][:5]]))
    run(PredictConfig(reward_model=Path("/nowhere"), comparisons=tmp_path / "pairs.jsonl"), folder)
    assert folder.read_result() == {"num_comparisons": 2}
    assert (folder.path / PREDICTIONS).read_text().splitlines() == lines


def test_log_probabilities_of_training_are_the_engines(policy_engine: PolicyEngine, models: Models) -> None:
    model = load_causal_lm(models.policy)
    use_planned_attention(model)
    first, *rest = policy_engine.encode(CONTEXT)
    responses = [rest + policy_engine.encoder.encode_response(text)[0] for text in ("4", "It is four. " * 8)]
    masks = [[False] * len(response) for response in responses]
    row = Row(context=[first], responses=responses, format_masks=masks)
    with torch.no_grad():
        logprobs = target_logprobs(model, language_rows([row])).tolist()

    for response in responses:
        told, logprobs = logprobs[: len(response)], logprobs[len(response) :]
        canary = Canary(token_ids=(first, *response), logprobs=tuple(told))
        assert policy_engine.canary_difference(canary) < 1e-4
    assert not logprobs


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
