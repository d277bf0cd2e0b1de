"""Draws a policy's answers and asks references how likely they are: the log ratios behind a KL divergence.

Comes in: an engine whose weights can be swapped, prompts. Goes out: log ratios by reference and prompt, for
`alignment.divergence`. Answers are drawn at temperature 1 over the whole vocabulary, whatever the recipe
samples with, since only there the policy's own log-probabilities are those of the distribution drawn from.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from alignment.divergence import AnswerLogRatio
from alignment.programs import EngineConfig, SamplingConfig
from alignment.records import PromptRecord
from alignment.sampling.engine import PolicyEngine, prompt_seed
from alignment.sampling.prompts import fitting


def log_ratios(
    holding: Callable[[Path], PolicyEngine],
    policy: Path,
    references: Mapping[str, Path],
    prompts: Sequence[PromptRecord],
    *,
    max_tokens: int,
    seed: int,
) -> list[AnswerLogRatio]:
    """One answer of `policy` to each prompt, against each of `references`.

    `holding` gives the engine with the weights of a folder. The models must share their tokens.
    """
    engine = holding(policy)
    contexts = [engine.encode(prompt.context) for prompt in prompts]
    seeds = [prompt_seed(seed, f"divergence:{prompt.id}") for prompt in prompts]
    drawn = engine.draw(contexts, seeds, max_tokens=max_tokens)
    own = [sum(answer.logprobs) for answer in drawn]
    rows = [(context, [*context, *answer.token_ids]) for context, answer in zip(contexts, drawn, strict=True)]
    found = []
    for name, folder in references.items():
        told = holding(folder).logprobs([row for _, row in rows])
        for prompt, (context, row), mine, logprobs in zip(prompts, rows, own, told, strict=True):
            # The first token of a row has no log-probability.
            its = sum(logprobs[len(context) - 1 :])
            found.append(
                AnswerLogRatio(
                    reference=name,
                    prompt_id=prompt.id,
                    log_ratio=mine - its,
                    num_tokens=len(row) - len(context),
                )
            )
    return found


def readable(
    prompts: Sequence[PromptRecord], policy: Path, engine: EngineConfig, sampling: SamplingConfig
) -> list[PromptRecord]:
    """The prompts that can be read again with their answer: vLLM wants room for one more token."""
    longer = sampling.model_copy(update={"max_tokens": sampling.max_tokens + 1})
    return fitting(prompts, policy, engine, longer)[0]
