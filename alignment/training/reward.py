"""The reward model: `python -m alignment.training.reward run.json` (alignment.programs.RewardConfig).

Comes in: the base and PreferenceRecords. Goes out: a sequence classifier with one label, whose raw score at
a response's last token is its reward: transformers gives it as the logit, vLLM's pooling runner with
`use_activation=False`. All pairs of a ranking train; held-out accuracy is in the result.
"""

import copy
import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoModelForSequenceClassification

from alignment.accuracy import judged_margins, judged_pairs, pair_accuracy
from alignment.programs import RewardConfig
from alignment.training.forward import response_rewards
from alignment.training.inputs import Inputs, preference_inputs
from alignment.training.losses import Metrics, ranked_reward_loss
from alignment.training.measuring import response_values
from alignment.training.program import (
    context_window,
    cut_step,
    finish,
    load_initial,
    placed,
    run_loop,
    start,
    training_main,
)
from alignment.training.rows import RewardRows, Row, plain_reward_rows, ranking_pairs, reward_rows, to_device
from alignment.training.schedule import LaidOut
from annotation.records import PreferenceRecord, Strength
from pretrain.run import ProgramError, RunFolder


@dataclass(frozen=True, kw_only=True)
class RewardBatch:
    """One microbatch."""

    rows: RewardRows
    better_P: Tensor
    worse_P: Tensor
    margin_P: Tensor | None
    num_pairs: int
    """Pairs of the whole step."""


def run(config: RewardConfig, folder: RunFolder) -> None:
    """Train, measure on the held-out records, save, report."""
    encoder = start(config)
    window = context_window(config.initial)
    inputs = preference_inputs(config.train, encoder, config.max_row_tokens, window)
    holdout = (
        preference_inputs(config.holdout, encoder, config.max_row_tokens, window) if config.holdout else None
    )
    check_padding(inputs.rows[0], encoder.pad_id)
    model = placed(reward_model_from(load_initial(config, encoder), encoder.pad_id), config)
    margins = [pair_margins(record, config.margins) for record in inputs.records]
    loop = run_loop(
        config,
        folder,
        model=model,
        rows=inputs.rows,
        names=[record.id for record in inputs.records],
        batches=lambda step, config: step_batches(step, inputs.rows, config, margins),
        loss=partial(reward_loss, centering=config.centering),
    )
    accuracy = holdout_accuracy(model, holdout, config) if holdout else None
    finish(
        config,
        folder,
        model=model,
        num_examples=len(inputs.rows),
        num_skipped=inputs.num_skipped,
        loop=loop,
        more={"holdout": accuracy},
    )


def check_padding(row: Row, pad_id: int) -> None:
    """Raise ProgramError where responses end in the padding token: transformers would not see their end."""
    if row.responses[0][-1] == pad_id:
        raise ProgramError(
            "The base has no padding token of its own, and the token that ends an answer cannot pad: name "
            'another in its tokenizer_config.json, such as "pad_token": "<unk>".'
        )


def reward_model_from(policy: nn.Module, pad_id: int) -> nn.Module:
    """The policy's layers under a scalar head that starts at zero.

    Variants that are to be averaged so start from the same point, and no pair starts with a preference.
    """
    config = copy.deepcopy(policy.config)
    config.num_labels = 1
    config.pad_token_id = pad_id
    with torch.device("meta"):  # the layers it would draw are replaced by the policy's
        model: nn.Module = AutoModelForSequenceClassification.from_config(config)
    setattr(model, model.base_model_prefix, policy.base_model)
    parameter = next(policy.parameters())
    model.score = nn.Linear(config.hidden_size, 1, bias=False, device=parameter.device, dtype=parameter.dtype)
    nn.init.zeros_(model.score.weight)
    return model


def pair_margins(record: PreferenceRecord, margins: Mapping[Strength, float]) -> list[float]:
    """How far each pair of the record's ranking must be apart, in the order of `ranking_pairs`.

    An edit was not graded against what it was made of, so that pair has no margin.
    """
    graded = set(judged_pairs(record)) | {(0, worse) for worse in range(2, len(record.responses))}
    pairs = itertools.combinations(range(len(record.responses)), 2)
    return [margins.get(record.strength, 0.0) if pair in graded else 0.0 for pair in pairs]


def step_batches(
    step: int, rows: Sequence[Row], config: RewardConfig, margins: Sequence[Sequence[float]] = ()
) -> LaidOut[RewardBatch]:
    """The microbatches of a step; `margins` has those of each row's pairs."""
    cut = cut_step(step, rows, config)
    num_pairs = sum(math.comb(len(rows[example].responses), 2) for examples in cut for example in examples)

    def lay_out(examples: Sequence[int]) -> RewardBatch:
        better, worse = ranking_pairs([rows[example] for example in examples])
        return RewardBatch(
            rows=lay_out_rewards(step, examples, rows, config),
            better_P=torch.tensor(better),
            worse_P=torch.tensor(worse),
            margin_P=torch.tensor([margin for example in examples for margin in margins[example]])
            if config.margins
            else None,
            num_pairs=num_pairs,
        )

    return LaidOut(cut, lay_out)


def lay_out_rewards(
    step: int, examples: Sequence[int], rows: Sequence[Row], config: RewardConfig
) -> RewardRows:
    """The rows of a microbatch, exact unless the configuration asks for plain ones."""
    batch_rows = [rows[example] for example in examples]
    if not config.plain_rows:
        return reward_rows(batch_rows)
    orders = [list(range(len(row.responses))) for row in batch_rows]
    for example, order in zip(examples, orders, strict=True):
        random.Random(f"{config.seed}/{step}/{example}").shuffle(order)
    return plain_reward_rows(batch_rows, orders)


def reward_loss(model: nn.Module, batch: RewardBatch, *, centering: float = 0.0) -> tuple[Tensor, Metrics]:
    """The microbatch's share of the step's loss."""
    rewards_S = response_rewards(model, batch.rows)
    loss, metrics = ranked_reward_loss(
        rewards_S,
        batch.better_P,
        batch.worse_P,
        num_pairs=batch.num_pairs,
        margin_P=batch.margin_P,
        centering=centering,
    )
    return loss, {**metrics, "num_tokens": batch.rows.layout.num_tokens}


def holdout_accuracy(
    model: nn.Module, holdout: Inputs[PreferenceRecord], config: RewardConfig
) -> dict[str, Any]:  # Any: pair_accuracy's figures
    """How often the model agrees with the held-out judgements, overall and by strength."""
    rewards = all_rewards(model, holdout.rows, config.max_tokens_per_microbatch)
    margins = [
        margin
        for record, record_rewards in zip(holdout.records, rewards, strict=True)
        for margin in judged_margins(record, record_rewards)
    ]
    return pair_accuracy(margins)


def all_rewards(model: nn.Module, rows: Sequence[Row], max_tokens: int) -> list[list[float]]:
    """The reward of each row's responses, in their order, in fp32."""
    device = next(model.parameters()).device

    def rewards_of(model: nn.Module, few: Sequence[Row]) -> Tensor:
        return response_rewards(model, to_device(reward_rows(few), device))

    return [rewards.tolist() for rewards in response_values(model, rows, max_tokens, rewards_of)]


if __name__ == "__main__":
    training_main(RewardConfig, run)
