"""The losses of post-training: pure functions of tensors that return the loss and its metrics.

Each returns its share of the step's loss: the normalisers (pairs, tokens) are those of the whole step, so
that the shares of a step's microbatches add up to the mean, however the step is cut.

Legend: R response tokens, S responses, P pairs of responses, all of one microbatch.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

Metrics = dict[str, float]


def response_sums(values_R: Tensor, response_R: Tensor, num_responses: int) -> Tensor:
    """The sum of each response's values (S), in fp64: DPO lives on small differences of large sums."""
    sums_S = torch.zeros(num_responses, dtype=torch.float64, device=values_R.device)
    return sums_S.index_add(0, response_R, values_R.double())


def ranked_reward_loss(
    rewards_S: Tensor,
    better_P: Tensor,
    worse_P: Tensor,
    *,
    num_pairs: int,
    margin_P: Tensor | None = None,
    centering: float = 0.0,
) -> tuple[Tensor, Metrics]:
    """Negative log-sigmoid of the reward difference over all pairs of the rankings.

    Llama 2's objective, which Llama 3 (section 4.1.2) uses without its margin term: with `margin_P`, the
    better response must be ahead by that much (Touvron et al. 2023, section 3.2.2). `centering` weighs the
    squared sum of a pair's rewards, which keeps them around zero (Eisenstein et al. 2023, section 3).
    """
    differences_P = rewards_S[better_P] - rewards_S[worse_P]
    required_P = differences_P if margin_P is None else differences_P - margin_P
    loss = -functional.logsigmoid(required_P).sum() / num_pairs
    if centering:
        loss = loss + centering * (rewards_S[better_P] + rewards_S[worse_P]).square().sum() / num_pairs
    return loss, pair_metrics(differences_P, num_pairs)


def preference_loss(
    policy_S: Tensor,
    reference_S: Tensor,
    chosen_P: Tensor,
    rejected_P: Tensor,
    *,
    beta: float,
    num_pairs: int,
    label_smoothing: float = 0.0,
) -> tuple[Tensor, Metrics]:
    """DPO: negative log-sigmoid of the difference of the implicit rewards (Rafailov et al. 2023, equation 7).

    `policy_S` and `reference_S` are each response's log-probability under the two models. Responses in no
    pair take no part. `label_smoothing` is the part of judgements taken to be the wrong way round
    (Mitchell 2023, "A note on DPO with noisy preferences", equation 3).
    """
    implicit_rewards_S = beta * (policy_S - reference_S)
    margins_P = implicit_rewards_S[chosen_P] - implicit_rewards_S[rejected_P]
    right_P, wrong_P = functional.logsigmoid(margins_P), functional.logsigmoid(-margins_P)
    loss = -((1 - label_smoothing) * right_P + label_smoothing * wrong_P).sum() / num_pairs
    return loss, pair_metrics(margins_P, num_pairs)


def identity_preference_loss(
    policy_S: Tensor,
    reference_S: Tensor,
    num_tokens_S: Tensor,
    chosen_P: Tensor,
    rejected_P: Tensor,
    *,
    beta: float,
    num_pairs: int,
) -> tuple[Tensor, Metrics]:
    """IPO: the squared distance of the log-ratio's margin from 1 / 2β (Azar et al. 2023, equation 17).

    The log-ratio of a response is the mean over its `num_tokens_S` tokens, as is usual: a sum would ask
    long responses for the same margin as short ones. It does not run off where judgements never disagree,
    as DPO does.
    """
    log_ratios_S = (policy_S - reference_S) / num_tokens_S
    margins_P = log_ratios_S[chosen_P] - log_ratios_S[rejected_P]
    loss = (margins_P - 1 / (2 * beta)).square().sum() / num_pairs
    return loss, pair_metrics(beta * margins_P, num_pairs)


def nll_loss(logprobs_R: Tensor, *, num_targets: int) -> Tensor:
    """Negative log-likelihood of target tokens as a mean over the step's `num_targets`."""
    return -logprobs_R.sum() / num_targets


@dataclass(frozen=True, kw_only=True)
class DpoTerms:
    """What Llama 3's DPO is made of."""

    beta: float
    nll_coefficient: float
    label_smoothing: float = 0.0
    identity: bool = False
    """IPO's preference term in place of DPO's."""


def dpo_loss(
    logprobs_R: Tensor,
    response_R: Tensor,
    format_R: Tensor,
    reference_S: Tensor,
    chosen_P: Tensor,
    rejected_P: Tensor,
    best_R: Tensor,
    *,
    terms: DpoTerms,
    num_pairs: int,
    num_best_tokens: int,
) -> tuple[Tensor, Metrics]:
    """Llama 3's DPO (section 4.1.4): the preference term leaves out the tokens where `format_R` is True.

    The term of the negative log-likelihood over the best responses (`best_R`) keeps them: left out of both,
    nothing would teach the model to end its turn. `reference_S` must leave out the same format tokens.
    """
    num_responses = len(reference_S)
    policy_S = response_sums(logprobs_R * ~format_R, response_R, num_responses)
    if terms.identity:
        num_tokens_S = response_sums(~format_R, response_R, num_responses).clamp(min=1)
        preference, metrics = identity_preference_loss(
            policy_S, reference_S, num_tokens_S, chosen_P, rejected_P, beta=terms.beta, num_pairs=num_pairs
        )
    else:
        preference, metrics = preference_loss(
            policy_S,
            reference_S,
            chosen_P,
            rejected_P,
            beta=terms.beta,
            num_pairs=num_pairs,
            label_smoothing=terms.label_smoothing,
        )
    nll = nll_loss(logprobs_R * best_R, num_targets=num_best_tokens)
    metrics |= {"preference_loss": preference.item(), "nll_loss": nll.item()}
    return preference + terms.nll_coefficient * nll, metrics


def pair_metrics(margins_P: Tensor, num_pairs: int) -> Metrics:
    """The microbatch's shares of the mean margin and of the part of pairs in the right order."""
    return {
        "accuracy": (margins_P > 0).sum().item() / num_pairs,
        "margin": margins_P.sum().item() / num_pairs,
    }
