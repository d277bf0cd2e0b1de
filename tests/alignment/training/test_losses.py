"""The losses against numbers worked by hand, and the two masks of DPO."""

import math

import pytest
import torch

from alignment.training.losses import (
    DpoTerms,
    dpo_loss,
    identity_preference_loss,
    nll_loss,
    preference_loss,
    ranked_reward_loss,
)

BETA = 0.1


def softplus(value: float) -> float:
    """-log(sigmoid(-value))."""
    return math.log1p(math.exp(value))


def test_the_reward_loss_is_the_mean_over_all_pairs() -> None:
    # Rewards 2 > 1 > 0: margins 1, 2, 1, so (2 * 0.3132617 + 0.1269280) / 3.
    rewards = torch.tensor([2.0, 1.0, 0.0])
    loss, metrics = ranked_reward_loss(rewards, torch.tensor([0, 0, 1]), torch.tensor([1, 2, 2]), num_pairs=3)
    assert loss.item() == pytest.approx(0.2511505, abs=1e-6)
    assert metrics == {"accuracy": 1.0, "margin": pytest.approx(4 / 3)}


def test_a_wrong_order_costs_more_and_counts_as_an_error() -> None:
    loss, metrics = ranked_reward_loss(
        torch.tensor([0.0, 1.5]), torch.tensor([0]), torch.tensor([1]), num_pairs=1
    )
    assert loss.item() == pytest.approx(1.7014133, abs=1e-6)
    assert metrics == {"accuracy": 0.0, "margin": -1.5}


def test_with_a_margin_the_better_response_must_be_ahead_by_it() -> None:
    # Ahead by 1 where 3 are asked for: -log sigmoid(1 - 3). The accuracy is still that of the order.
    loss, metrics = ranked_reward_loss(
        torch.tensor([2.0, 1.0]),
        torch.tensor([0]),
        torch.tensor([1]),
        num_pairs=1,
        margin_P=torch.tensor([3.0]),
    )
    assert loss.item() == pytest.approx(softplus(2), abs=1e-6)
    assert metrics == {"accuracy": 1.0, "margin": 1.0}


def test_centering_costs_what_a_pair_is_away_from_zero() -> None:
    pair = (torch.tensor([2.0, 1.0]), torch.tensor([0]), torch.tensor([1]))
    plain, _ = ranked_reward_loss(*pair, num_pairs=1)
    centered, _ = ranked_reward_loss(*pair, num_pairs=1, centering=0.01)
    assert (centered - plain).item() == pytest.approx(0.01 * 9, abs=1e-6)


def test_the_shares_of_microbatches_add_up_to_the_mean() -> None:
    rewards = torch.tensor([2.0, 1.0, 0.0, 3.0])
    whole, _ = ranked_reward_loss(rewards, torch.tensor([0, 2]), torch.tensor([1, 3]), num_pairs=2)
    first, _ = ranked_reward_loss(rewards[:2], torch.tensor([0]), torch.tensor([1]), num_pairs=2)
    second, _ = ranked_reward_loss(rewards[2:], torch.tensor([0]), torch.tensor([1]), num_pairs=2)
    assert (first + second).item() == pytest.approx(whole.item(), abs=1e-6)


def test_the_preference_loss_is_dpos() -> None:
    # By hand: the chosen gained 2 nats over the reference, the rejected lost 3: margin 0.1 * 5 = 0.5.
    loss, metrics = preference_loss(
        torch.tensor([-4.0, -8.0]),
        torch.tensor([-6.0, -5.0]),
        torch.tensor([0]),
        torch.tensor([1]),
        beta=BETA,
        num_pairs=1,
    )
    assert loss.item() == pytest.approx(0.4740770, abs=1e-6)
    assert metrics["margin"] == pytest.approx(0.5)


def test_label_smoothing_takes_some_judgements_the_wrong_way_round() -> None:
    policy, reference = torch.tensor([-4.0, -8.0]), torch.tensor([-6.0, -5.0])
    loss, _ = preference_loss(
        policy,
        reference,
        torch.tensor([0]),
        torch.tensor([1]),
        beta=BETA,
        num_pairs=1,
        label_smoothing=0.1,
    )
    assert loss.item() == pytest.approx(0.9 * softplus(-0.5) + 0.1 * softplus(0.5), abs=1e-6)


def test_ipo_asks_for_the_same_margin_a_token_of_every_pair() -> None:
    # Gained 2 nats in 4 tokens, lost 3 in 2: margin 0.5 + 1.5 = 2, asked for 1 / (2 * 0.1) = 5.
    loss, metrics = identity_preference_loss(
        torch.tensor([-4.0, -8.0]),
        torch.tensor([-6.0, -5.0]),
        torch.tensor([4.0, 2.0]),
        torch.tensor([0]),
        torch.tensor([1]),
        beta=BETA,
        num_pairs=1,
    )
    assert loss.item() == pytest.approx(9.0)
    assert metrics["accuracy"] == 1.0


def test_an_untrained_policy_has_the_loss_of_a_coin() -> None:
    same = torch.tensor([-4.0, -8.0])
    loss, _ = preference_loss(same, same, torch.tensor([0]), torch.tensor([1]), beta=BETA, num_pairs=1)
    assert loss.item() == pytest.approx(math.log(2))


def test_nll_is_the_mean_over_the_steps_tokens() -> None:
    assert nll_loss(torch.tensor([-1.0, -3.0]), num_targets=4).item() == 1.0


def dpo(logprobs: torch.Tensor, *, nll_coefficient: float = 0.2) -> tuple[torch.Tensor, dict[str, float]]:
    """A chosen response of two tokens and its eot, a rejected one of one token and its eot."""
    return dpo_loss(
        logprobs,
        torch.tensor([0, 0, 0, 1, 1]),
        torch.tensor([False, False, True, False, True]),
        torch.tensor([-2.0, -1.0]),
        torch.tensor([0]),
        torch.tensor([1]),
        torch.tensor([True, True, True, False, False]),
        terms=DpoTerms(beta=BETA, nll_coefficient=nll_coefficient),
        num_pairs=1,
        num_best_tokens=3,
    )


def test_dpo_is_the_preference_term_and_a_fifth_of_the_nll() -> None:
    # Without eots the policy has -0.75 and -3: margin 0.1 * (1.25 + 2) = 0.325. NLL (0.5 + 0.25 + 2) / 3.
    loss, metrics = dpo(torch.tensor([-0.5, -0.25, -2.0, -3.0, -7.0]))
    assert metrics["preference_loss"] == pytest.approx(softplus(-0.325), abs=1e-6)
    assert metrics["nll_loss"] == pytest.approx(2.75 / 3, abs=1e-6)
    assert loss.item() == pytest.approx(softplus(-0.325) + 0.2 * 2.75 / 3, abs=1e-6)


def test_format_tokens_take_part_in_the_nll_alone() -> None:
    logprobs = torch.tensor([-0.5, -0.25, -2.0, -3.0, -7.0], requires_grad=True)
    dpo(logprobs, nll_coefficient=0.0)[0].backward()
    assert logprobs.grad is not None
    preference = logprobs.grad.tolist()
    assert preference[2] == 0 and preference[4] == 0
    assert preference[0] == preference[1] < 0 < preference[3]

    logprobs.grad = None
    dpo(logprobs, nll_coefficient=1.0)[0].backward()
    both = logprobs.grad.tolist()
    assert [now - before for now, before in zip(both, preference, strict=True)] == pytest.approx(
        [-1 / 3, -1 / 3, -1 / 3, 0, 0], abs=1e-6
    )
