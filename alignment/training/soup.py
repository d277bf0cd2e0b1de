"""Greedy soup (Wortsman et al. 2022): which models to average, measured on held-out judgements.

Comes in: the AverageConfig and the checkpoints' tensors. Goes out: the members kept and every step. Each soup
that is tried is written into a folder beside `out`, loaded, measured and removed. What is measured depends
on what the models are for:

- a reward model by its accuracy,
- a policy with a reference (DPO) by the accuracy of its implicit reward, log π(y|x) − log π_ref(y|x)
  (Rafailov et al. 2023, section 4), without format tokens,
- a policy without one (SFT) by the mean log-likelihood of a token of the best responses, in nats.
"""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor, nn

from alignment.accuracy import judged_margins, pair_accuracy
from alignment.programs import AverageConfig
from alignment.training.checkpoint_weights import CheckpointWeights, write_checkpoint
from alignment.training.inputs import Inputs, preference_inputs
from alignment.training.merging import greedy_soup, weighted_mean
from alignment.training.program import context_window, training_device
from alignment.training.reference import logprobs_of_responses
from alignment.training.reward import all_rewards
from alignment.training.rows import Row
from annotation.records import PreferenceRecord
from pretrain.checkpoint_check import read_object
from pretrain.checkpoint_folder import load_causal_lm
from pretrain.encoders import encoder_for
from pretrain.packed.attention import use_planned_attention

Judgements = Inputs[PreferenceRecord]
Measure = Callable[[Path], float]
"""How good the model of a folder is; more is better."""


def soup_members(
    config: AverageConfig, checkpoints: Sequence[CheckpointWeights]
) -> dict[str, Any]:  # Any: figures, written as JSON
    """{"kept": places of the members, "metric": what was measured, "soup": the steps}."""
    metric, measure = measure_for(config, checkpoints[0].folder)

    def measure_of_mean(members: tuple[int, ...]) -> float:
        config.out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            dir=config.out.parent, prefix=f".{config.out.name}.", suffix=".writing"
        ) as folder:
            write_mean(Path(folder), [checkpoints[member] for member in members])
            return measure(Path(folder))

    steps = greedy_soup([measure(checkpoint.folder) for checkpoint in checkpoints], measure_of_mean)
    return {
        "kept": [step.member for step in steps if step.kept],
        "metric": metric,
        "soup": [{"member": step.member, metric: step.metric, "kept": step.kept} for step in steps],
    }


def measure_for(config: AverageConfig, folder: Path) -> tuple[str, Measure]:
    """What models like that of `folder` are measured by, and its name.

    Raises ProgramError where no held-out judgement fits into the rows.
    """
    assert config.holdout is not None, config
    judgements = preference_inputs(
        config.holdout, encoder_for(folder), config.max_row_tokens, context_window(folder)
    )
    budget = config.max_row_tokens
    if is_reward_model(folder):
        return "accuracy", lambda path: reward_accuracy(path, judgements, budget)
    if config.reference is None:
        return "log_likelihood", lambda path: log_likelihood(path, judgements, budget)
    reference = policy_logprobs(config.reference, judgements.rows, budget)
    return "accuracy", lambda path: implicit_accuracy(path, reference, judgements, budget)


def is_reward_model(folder: Path) -> bool:
    """Whether the folder's model gives rewards, by its config.json."""
    architectures = read_object(folder / "config.json").get("architectures") or []
    return any(str(name).endswith("ForSequenceClassification") for name in architectures)


def write_mean(folder: Path, members: Sequence[CheckpointWeights]) -> None:
    """Write the uniform mean of `members` into the folder."""
    weights = [1 / len(members)] * len(members)

    def mean(name: str) -> Tensor:
        return weighted_mean((member.tensor(name) for member in members), weights)

    write_checkpoint(folder, members[0], (mean(name) for name in members[0].shapes))


def reward_accuracy(folder: Path, judgements: Judgements, max_tokens: int) -> float:
    """How often the reward model of the folder agrees with the judgements."""
    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    return accuracy_of(judgements, all_rewards(ready(model), judgements.rows, max_tokens))


def implicit_accuracy(
    folder: Path, reference: Sequence[Tensor], judgements: Judgements, max_tokens: int
) -> float:
    """How often the policy's implicit reward agrees; `reference` has each row's log-probabilities."""
    policy = policy_logprobs(folder, judgements.rows, max_tokens)
    return accuracy_of(
        judgements, [(own - base).tolist() for own, base in zip(policy, reference, strict=True)]
    )


def log_likelihood(folder: Path, judgements: Judgements, max_tokens: int) -> float:
    """The mean log-probability, in nats, of a token of the best responses."""
    best = [
        Row(context=row.context, responses=row.responses[:1], format_masks=[[False] * len(row.responses[0])])
        for row in judgements.rows
    ]
    total = sum(float(logprobs.sum()) for logprobs in policy_logprobs(folder, best, max_tokens))
    return total / sum(len(row.responses[0]) for row in best)


def accuracy_of(judgements: Judgements, rewards: Sequence[list[float]]) -> float:
    """The part of the judged pairs whose better response has the higher reward."""
    margins = [
        margin
        for record, record_rewards in zip(judgements.records, rewards, strict=True)
        for margin in judged_margins(record, record_rewards)
    ]
    return float(pair_accuracy(margins)["accuracy"])


def policy_logprobs(folder: Path, rows: Sequence[Row], max_tokens: int) -> list[Tensor]:
    """The log-probability of each row's responses under the policy of the folder, without format tokens."""
    return logprobs_of_responses(ready(load_causal_lm(folder)), rows, max_tokens)


def ready(model: nn.Module) -> nn.Module:
    """The model with the attention of shared rows, on the device."""
    use_planned_attention(model)
    return model.to(training_device())
