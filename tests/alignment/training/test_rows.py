"""Shared-prefix rows are exact: losses and gradients equal those of every response in a row of its own."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig, Qwen2Config, Qwen3Config
from transformers.configuration_utils import PreTrainedConfig

from alignment.training.forward import check_shared_prefix, hidden_states, response_rewards, target_logprobs
from alignment.training.losses import DpoTerms, dpo_loss, ranked_reward_loss, response_sums
from alignment.training.reward import reward_model_from
from alignment.training.rows import Row, best_pairs, language_rows, ranking_pairs, reward_rows
from pretrain.packed import attention, head, layers
from pretrain.packed.attention import use_planned_attention
from pretrain.packed.plan import Span, row_segments
from pretrain.run import ProgramError
from tests.alignment.training.factories import make_row

PAD = 0
VOCABULARY = 97
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 1024,
    "initializer_range": 0.1,
}
LLAMA_3_ROPE = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}
CONFIGS: dict[str, PreTrainedConfig] = {
    "llama": LlamaConfig(**SIZES, num_key_value_heads=4, tie_word_embeddings=False),
    "llama, grouped queries, tied": LlamaConfig(**SIZES, num_key_value_heads=2, tie_word_embeddings=True),
    "llama, one key head, scaled positions": LlamaConfig(
        **SIZES, num_key_value_heads=1, rope_parameters=LLAMA_3_ROPE, tie_word_embeddings=False
    ),
    "mistral": MistralConfig(**SIZES, num_key_value_heads=2, sliding_window=None, tie_word_embeddings=False),
    "qwen 2, biased projections": Qwen2Config(**SIZES, num_key_value_heads=2, tie_word_embeddings=False),
    "qwen 3, normed queries, tied": Qwen3Config(
        **SIZES, num_key_value_heads=2, head_dim=16, tie_word_embeddings=True
    ),
}
LONG = 150
"""More tokens than one block of queries holds."""


def model_of(config: PreTrainedConfig) -> nn.Module:
    """A model of the configuration, attending by plan."""
    torch.manual_seed(0)
    model: nn.Module = AutoModelForCausalLM.from_config(config)
    use_planned_attention(model)
    return model


def random_rows(num_responses: int) -> list[Row]:
    """Short rows and long ones, contexts and responses of many lengths."""
    generator = torch.Generator().manual_seed(num_responses)

    def tokens(length: int) -> list[int]:
        drawn: list[int] = torch.randint(4, VOCABULARY, (length,), generator=generator).tolist()
        return drawn

    lengths = [(4, 3), (1, 1), (20, 5), (LONG, 7), (9, LONG), (LONG, LONG)]
    return [
        make_row(tokens(context), *(tokens(length + place) for place in range(num_responses)))
        for context, length in lengths
    ]


def logprobs_alone(model: nn.Module, context: list[int], response: list[int]) -> Tensor:
    """Log-probabilities of a response's tokens in a sequence of its own."""
    logits = model(input_ids=torch.tensor([context + response])).logits[0]
    found: Tensor = logits[len(context) - 1 : -1].log_softmax(-1)
    return found[torch.arange(len(response)), torch.tensor(response)]


def reward_alone(model: nn.Module, context: list[int], response: list[int]) -> Tensor:
    """The raw reward as transformers gives it for a sequence of its own."""
    reward: Tensor = model(input_ids=torch.tensor([context + response])).logits[0, 0]
    return reward


def gradients(model: nn.Module, loss: Tensor) -> dict[str, Tensor]:
    model.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_same(model: nn.Module, shared: Callable[[], Tensor], alone: Callable[[], Tensor]) -> None:
    shared_loss, alone_loss = shared(), alone()
    assert shared_loss.item() == pytest.approx(alone_loss.item(), abs=1e-5)
    shared_gradients, alone_gradients = gradients(model, shared_loss), gradients(model, alone_loss)
    assert set(shared_gradients) == set(alone_gradients) == {name for name, _ in model.named_parameters()}
    for name, gradient in alone_gradients.items():
        torch.testing.assert_close(shared_gradients[name], gradient, atol=1e-5, rtol=0, msg=name)


@pytest.mark.parametrize("num_responses", [2, 3, 5])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_dpo_on_shared_rows_equals_separate_rows(config: PreTrainedConfig, num_responses: int) -> None:
    model = model_of(config)
    rows = random_rows(num_responses)
    reference = torch.linspace(-5, 5, num_responses * len(rows))
    chosen, rejected = best_pairs(rows)
    beta, coefficient = 0.3, 0.2

    def shared() -> Tensor:
        laid_out = language_rows(rows)
        best = [place == 0 for row in rows for place, tokens in enumerate(row.responses) for _ in tokens]
        loss, _ = dpo_loss(
            target_logprobs(model, laid_out),
            laid_out.response_R,
            laid_out.format_R,
            reference,
            torch.tensor(chosen),
            torch.tensor(rejected),
            torch.tensor(best),
            terms=DpoTerms(beta=beta, nll_coefficient=coefficient),
            num_pairs=len(chosen),
            num_best_tokens=sum(best),
        )
        return loss

    def alone() -> Tensor:
        found = [logprobs_alone(model, row.context, tokens) for row in rows for tokens in row.responses]
        rewards = [beta * (logprobs[:-1].sum() - reference[i]) for i, logprobs in enumerate(found)]
        preference = -sum(
            torch.nn.functional.logsigmoid(rewards[c] - rewards[r])
            for c, r in zip(chosen, rejected, strict=True)
        )
        best = torch.cat([found[c] for c in sorted(set(chosen))])
        return preference / len(chosen) - coefficient * best.mean()

    assert_same(model, shared, alone)


@pytest.mark.parametrize("num_responses", [2, 3, 5])
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_rewards_on_shared_rows_equal_separate_rows(config: PreTrainedConfig, num_responses: int) -> None:
    model = reward_model_from(model_of(config), PAD)
    torch.nn.init.normal_(model.score.weight, std=0.1)
    rows = random_rows(num_responses)
    better, worse = ranking_pairs(rows)

    def shared() -> Tensor:
        rewards = response_rewards(model, reward_rows(rows))
        return ranked_reward_loss(rewards, torch.tensor(better), torch.tensor(worse), num_pairs=len(better))[
            0
        ]

    def alone() -> Tensor:
        rewards = [reward_alone(model, row.context, tokens) for row in rows for tokens in row.responses]
        losses = [
            -torch.nn.functional.logsigmoid(rewards[b] - rewards[w])
            for b, w in zip(better, worse, strict=True)
        ]
        return torch.stack(losses).mean()

    assert_same(model, shared, alone)


def sft_losses(model: nn.Module) -> tuple[Callable[[], Tensor], Callable[[], Tensor]]:
    """The mean negative log-likelihood of packed rows, and of the same rows one by one."""
    rows = random_rows(1)

    def packed() -> Tensor:
        return -target_logprobs(model, language_rows(rows)).mean()

    def alone() -> Tensor:
        return -torch.cat([logprobs_alone(model, row.context, row.responses[0]) for row in rows]).mean()

    return packed, alone


def test_packed_sft_equals_separate_rows() -> None:
    model = model_of(CONFIGS["llama, grouped queries, tied"])
    assert_same(model, *sft_losses(model))


def test_what_is_not_kept_is_computed_again_to_the_same_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attention, "KEPT_PROBABILITIES", 50_000)
    monkeypatch.setattr(head, "KEPT_LOGITS", 0)
    monkeypatch.setattr(head, "CHUNK_LOGITS", 7 * VOCABULARY)
    model = model_of(CONFIGS["llama, grouped queries, tied"])
    assert_same(model, *sft_losses(model))


def test_gradient_checkpointing_changes_nothing() -> None:
    model = model_of(CONFIGS["llama, grouped queries, tied"]).train()
    packed, alone = sft_losses(model)
    expected = gradients(model, alone())
    model.gradient_checkpointing_enable()
    for name, gradient in gradients(model, packed()).items():
        torch.testing.assert_close(gradient, expected[name], atol=1e-5, rtol=0, msg=name)


def test_bf16_autocast_is_as_near_to_fp32_as_transformers_own() -> None:
    model = model_of(CONFIGS["llama"])
    packed, alone = sft_losses(model)
    exact = alone().item()
    with torch.autocast("cpu", torch.bfloat16):
        ours, theirs = packed(), alone()
    assert abs(ours.item() - exact) < max(2 * abs(theirs.item() - exact), 5e-3)
    assert all(torch.isfinite(gradient).all() for gradient in gradients(model, ours).values())


def test_the_last_token_of_a_response_takes_no_place_in_a_language_row() -> None:
    laid_out = language_rows([make_row([5, 6], [8, 9, 3], [10, 3]), make_row([7], [3])])
    assert laid_out.layout.input_ids_1N.tolist() == [[5, 6, 8, 9, 10, 7]]
    assert laid_out.layout.position_ids_1N.tolist() == [[0, 1, 2, 3, 2, 0]]
    assert laid_out.layout.read.places_M.tolist() == [1, 2, 3, 4, 5]
    assert laid_out.source_R.tolist() == [0, 1, 2, 0, 3, 4]
    assert laid_out.target_R.tolist() == [8, 9, 3, 10, 3, 3]
    assert laid_out.format_R.tolist() == [False, False, True, False, True, True]
    assert laid_out.response_R.tolist() == [0, 0, 0, 1, 1, 2]
    assert laid_out.layout.num_tokens == 6


def test_a_response_sees_the_context_and_itself_alone() -> None:
    layout = reward_rows([make_row([5, 6], [8, 3], [10, 3]), make_row([5], [3])]).layout
    (short,) = layout.plan.short_rows
    assert short.allowed_BQT[0].int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 1, 1],
    ]
    (read,) = layout.read.plan.short_rows
    assert layout.read.places_M.tolist() == [3, 5, 7]
    assert read.allowed_BQT.int().tolist() == [
        [[1, 1, 1, 1, 0, 0], [1, 1, 0, 0, 1, 1]],
        [[1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 0, 0]],
    ]


def test_a_segments_queries_are_its_last_tokens() -> None:
    spans = [Span(first=10, after=210, num_read=0), Span(first=210, after=260, num_read=50)]
    segments = row_segments([*spans, Span(first=260, after=400, num_read=1)], 7)
    seen = [
        (s.first, s.after, (s.shared_first, s.shared_after), (s.own_first, s.own_after)) for s in segments
    ]
    assert seen == [(7, 57, (10, 210), (210, 260)), (57, 58, (10, 210), (260, 400))]


@pytest.mark.parametrize("unknown", [False, True])
def test_the_last_layer_is_computed_where_it_is_read_if_its_family_is_known(
    unknown: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "FAMILIES", set() if unknown else layers.FAMILIES)
    model = model_of(CONFIGS["llama"])
    rows = reward_rows(random_rows(2))
    computed: list[int] = []
    model.model.norm.register_forward_hook(lambda _, inputs, __: computed.append(inputs[0].shape[1]))
    assert hidden_states(model, rows.layout).shape == (12, SIZES["hidden_size"])
    assert computed == [rows.layout.num_tokens if unknown else 12]


def test_pairs_are_all_of_a_ranking_or_the_best_against_each_worse_one() -> None:
    rows = [make_row([1], [2], [3], [4]), make_row([1], [2], [3])]
    assert ranking_pairs(rows) == ([0, 0, 1, 3], [1, 2, 2, 4])
    assert best_pairs(rows) == ([0, 0, 3], [1, 2, 4])


def test_response_sums_add_up_each_response() -> None:
    sums = response_sums(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 2, 2]), 3)
    assert sums.tolist() == [1.0, 0.0, 6.0]


def test_llama_takes_shared_rows_and_a_model_that_ignores_the_plan_is_refused() -> None:
    model = model_of(CONFIGS["llama"])
    check_shared_prefix(model)

    model.base_model.register_forward_pre_hook(
        lambda _, inputs, named: (inputs, {**named, "plan": None}), with_kwargs=True
    )
    with pytest.raises(ProgramError, match="LlamaForCausalLM does not take responses that share"):
        check_shared_prefix(model)


def test_a_row_longer_than_the_model_sees_back_is_refused() -> None:
    config = Qwen2Config(
        **SIZES, num_key_value_heads=2, use_sliding_window=True, sliding_window=64, max_window_layers=0
    )
    model = model_of(config)
    rows = [make_row(list(range(4, 60)), [8, 9, 3], [10, 3])]
    target_logprobs(model, language_rows(rows))

    with pytest.raises(ProgramError, match=r"sees 64 tokens back.*set max_row_tokens to 64"):
        target_logprobs(model, language_rows([make_row(list(range(4, 70)), [8, 9, 3], [10, 3])]))
