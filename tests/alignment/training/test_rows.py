"""Shared-prefix rows are exact: losses and gradients equal those of every response in a row of its own."""

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from transformers.models.llama.modeling_llama import LlamaForCausalLM

from alignment.training.forward import check_shared_prefix, response_rewards, target_logprobs
from alignment.training.losses import dpo_loss, ranked_reward_loss, response_sums
from alignment.training.reward import reward_model_from
from alignment.training.rows import Row, best_pairs, language_rows, ranking_pairs, reward_rows
from pretrain.run import ProgramError
from tests.alignment.training.factories import make_model, make_row

PAD = 0
TWO = [make_row([5, 6, 7], [8, 9, 3], [10, 3]), make_row([5, 9, 11, 12, 13, 14], [3], [7, 8, 9, 10, 3])]
THREE = [
    make_row([5, 6, 7, 8], [8, 9, 3], [10, 3], [9, 9, 9, 9, 3]),
    make_row([4], [8, 3], [7, 7, 3], [3]),
    make_row([5, 6, 7], [8, 9, 3], [9, 8, 3]),
]


def logprobs_alone(model: nn.Module, context: list[int], response: list[int]) -> Tensor:
    """Log-probabilities of a response's tokens in a sequence of its own."""
    logits = model(input_ids=torch.tensor([context + response])).logits[0]
    start = len(context)
    return logits[start - 1 : -1].log_softmax(-1)[torch.arange(len(response)), torch.tensor(response)]


def reward_alone(model: nn.Module, context: list[int], response: list[int]) -> Tensor:
    """The raw reward as transformers gives it for a sequence of its own."""
    return model(input_ids=torch.tensor([context + response])).logits[0, 0]


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
        assert gradient.abs().max() > 0, name
        torch.testing.assert_close(shared_gradients[name], gradient, atol=1e-5, rtol=1e-4, msg=name)


@pytest.mark.parametrize("rows", [TWO, THREE], ids=["two responses", "two and three responses"])
def test_dpo_on_shared_rows_equals_separate_rows(rows: Sequence[Row]) -> None:
    model = make_model()
    num_responses = sum(len(row.responses) for row in rows)
    reference = torch.linspace(-5, 5, num_responses)
    chosen, rejected = best_pairs(rows)
    beta, coefficient = 0.3, 0.2

    def shared() -> Tensor:
        laid_out = language_rows(rows, PAD)
        best = [place == 0 for row in rows for place, tokens in enumerate(row.responses) for _ in tokens]
        loss, _ = dpo_loss(
            target_logprobs(model, laid_out),
            laid_out.response_N,
            laid_out.format_N,
            reference,
            torch.tensor(chosen),
            torch.tensor(rejected),
            torch.tensor(best),
            beta=beta,
            nll_coefficient=coefficient,
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


@pytest.mark.parametrize("rows", [TWO, THREE], ids=["two responses", "two and three responses"])
def test_rewards_on_shared_rows_equal_separate_rows(rows: Sequence[Row]) -> None:
    model = reward_model_from(make_model(), PAD)
    torch.nn.init.normal_(model.score.weight)
    better, worse = ranking_pairs(rows)

    def shared() -> Tensor:
        rewards = response_rewards(model, reward_rows(rows, PAD))
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


def test_sft_on_padded_rows_equals_separate_rows() -> None:
    rows = [
        make_row([5, 6, 7], [8, 9, 3]),
        make_row([5], [3]),
        make_row([4, 4, 4, 4, 4, 4], [7, 8, 9, 10, 3]),
    ]
    model = make_model()
    laid_out = language_rows(rows, PAD)
    assert laid_out.layout.allowed_B1TT is None

    def alone() -> Tensor:
        return -torch.cat([logprobs_alone(model, row.context, row.responses[0]) for row in rows]).mean()

    assert_same(model, lambda: -target_logprobs(model, laid_out).mean(), alone)


def test_the_last_token_of_a_response_takes_no_place_in_a_language_row() -> None:
    laid_out = language_rows([make_row([5, 6], [8, 9, 3], [10, 3])], PAD)
    assert laid_out.layout.input_ids_BT.tolist() == [[5, 6, 8, 9, 10]]
    assert laid_out.layout.position_ids_BT is not None
    assert laid_out.layout.position_ids_BT.tolist() == [[0, 1, 2, 3, 2]]
    assert laid_out.source_N.tolist() == [1, 2, 3, 1, 4]
    assert laid_out.target_N.tolist() == [8, 9, 3, 10, 3]
    assert laid_out.format_N.tolist() == [False, False, True, False, True]
    assert laid_out.response_N.tolist() == [0, 0, 0, 1, 1]
    assert laid_out.layout.num_tokens == 5


def test_a_response_sees_the_context_and_itself_alone() -> None:
    layout = reward_rows([make_row([5, 6], [8, 3], [10, 3])], PAD).layout
    assert layout.allowed_B1TT is not None
    assert layout.allowed_B1TT[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 1, 1],
    ]


def test_pairs_are_all_of_a_ranking_or_the_best_against_each_worse_one() -> None:
    rows = [make_row([1], [2], [3], [4]), make_row([1], [2], [3])]
    assert ranking_pairs(rows) == ([0, 0, 1, 3], [1, 2, 2, 4])
    assert best_pairs(rows) == ([0, 0, 3], [1, 2, 4])


def test_response_sums_add_up_each_response() -> None:
    sums = response_sums(torch.tensor([1.0, 2.0, 4.0]), torch.tensor([0, 2, 2]), 3)
    assert sums.tolist() == [1.0, 0.0, 6.0]


def test_llama_takes_shared_rows_and_a_model_that_ignores_the_mask_is_refused() -> None:
    model = make_model()
    check_shared_prefix(model, PAD)

    class Deaf(LlamaForCausalLM):
        @property
        def base_model(self) -> Callable[..., object]:
            return lambda **inputs: self.model(**{**inputs, "attention_mask": None})

    deaf = Deaf(model.config)
    with pytest.raises(ProgramError, match="Deaf does not take responses that share their context"):
        check_shared_prefix(deaf, PAD)
