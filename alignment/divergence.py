"""How far a policy has moved from a reference: the KL divergence, estimated from its own answers.

Pure. Comes in: for each prompt, of each answer that the policy drew, the log-probability that the policy gave
it less that which the reference gave it, and its number of tokens. Goes out: the figures of a report.

What is estimated: KL(policy ‖ reference) of the distributions over answers at temperature 1 over the whole
vocabulary, an answer being the tokens up to and with the one that ends it, or the first `max_tokens`. The
mean log ratio over answers drawn from the policy is without bias; it may fall below zero by chance, which the
divergence itself cannot. The policy as deployed, at another temperature or top_p, is another distribution.
(The KL term of RLHF: Ziegler et al. 2019, Stiennon et al. 2020; the estimator is k1 of Schulman 2020.)
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from alignment.accuracy import Z_95

LogRatio = tuple[float, int]
"""log policy(answer) - log reference(answer) in nats, and the answer's number of tokens."""


@dataclass(frozen=True, kw_only=True)
class AnswerLogRatio:
    """One answer of the policy against one reference."""

    reference: str
    prompt_id: str
    log_ratio: float
    """Of the whole answer, in nats."""
    num_tokens: int


def divergence(
    log_ratios: Mapping[str, Sequence[LogRatio]],
) -> dict[str, Any]:  # Any: nested figures, written as JSON
    """{"per_answer", "per_token", "num_prompts", "num_answers"} of log ratios by prompt id.

    `per_answer` and `per_token` are {"value", "standard_error", "low", "high"} in nats, `low` and `high` the
    95% interval. Prompts are the independent draws, so errors are over the prompts' means; `per_token` is the
    ratio of the two means, with the error of a ratio estimator (Cochran 1977, section 6.4). With one prompt
    there is no error: None. Raises ValueError where there are no answers.
    """
    prompts = [rows for rows in log_ratios.values() if rows]
    if not prompts:
        raise ValueError("There are no answers to measure a divergence on.")
    ratios = [fmean(ratio for ratio, _ in rows) for rows in prompts]
    lengths = [fmean(num_tokens for _, num_tokens in rows) for rows in prompts]
    per_answer, length = fmean(ratios), fmean(lengths)
    per_token = per_answer / length
    residuals = [
        (ratio - per_token * own_length) / length for ratio, own_length in zip(ratios, lengths, strict=True)
    ]
    return {
        "per_answer": figure(per_answer, standard_error([ratio - per_answer for ratio in ratios])),
        "per_token": figure(per_token, standard_error(residuals)),
        "num_prompts": len(prompts),
        "num_answers": sum(map(len, prompts)),
    }


def standard_error(deviations: Sequence[float]) -> float | None:
    """The standard error of a mean, from each draw's distance to it; None of a single draw."""
    number = len(deviations)
    if number < 2:
        return None
    return math.sqrt(math.fsum(each * each for each in deviations) / (number - 1) / number)


def figure(value: float, error: float | None) -> dict[str, float | None]:
    """A value with its standard error and its 95% interval."""
    low, high = (None, None) if error is None else (value - Z_95 * error, value + Z_95 * error)
    return {"value": value, "standard_error": error, "low": low, "high": high}
