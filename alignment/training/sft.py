"""Supervised finetuning: `python -m alignment.training.sft run.json` (alignment.programs.SftConfig).

Comes in: the base and SftExamples. Goes out: a chat model. Cross-entropy on the response's tokens, the one
that ends it included; the context is masked. The loss is the mean over the step's target tokens.
"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from alignment.programs import SftConfig
from alignment.records import SftExample
from alignment.training.forward import target_logprobs
from alignment.training.inputs import Inputs, sft_inputs
from alignment.training.losses import Metrics, nll_loss
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
from alignment.training.rows import LanguageRows, Row, language_rows
from alignment.training.schedule import LaidOut
from pretrain.run import ProgramError, RunFolder


@dataclass(frozen=True, kw_only=True)
class SftBatch:
    """One microbatch."""

    rows: LanguageRows
    num_targets: int
    """Target tokens of the whole step."""


def run(config: SftConfig, folder: RunFolder) -> None:
    """Train, save, report."""
    encoder = start(config)
    window = context_window(config.initial)
    inputs = mixed(sft_inputs(config.train, encoder, config.max_row_tokens, window), config)
    model = placed(load_initial(config, encoder), config)
    loop = run_loop(
        config,
        folder,
        model=model,
        rows=inputs.rows,
        names=[record.id for record in inputs.records],
        batches=lambda step, config: step_batches(step, inputs.rows, config),
        loss=sft_loss,
    )
    finish(
        config,
        folder,
        model=model,
        num_examples=len(inputs.rows),
        num_skipped=inputs.num_skipped,
        loop=loop,
        more={"sources": dict(Counter(record.source for record in inputs.records))},
    )


def mixed(inputs: Inputs[SftExample], config: SftConfig) -> Inputs[SftExample]:
    """One epoch's examples: each as often as its source asks, the broken part drawn by the seed.

    Raises ProgramError where a source of the mix has no examples.
    """
    absent = set(config.mix) - {record.source for record in inputs.records}
    if absent:
        known = ", ".join(sorted({record.source for record in inputs.records}))
        raise ProgramError(f"The mix names {', '.join(sorted(absent))}, but the examples are of {known}.")
    drawn = random.Random(config.seed)
    places = []
    for place, record in enumerate(inputs.records):
        times = config.mix.get(record.source, 1.0)
        places += [place] * (int(times) + (drawn.random() < times % 1))
    if not places:
        raise ProgramError("The mix leaves no example: weigh a source higher.")
    return Inputs(
        records=[inputs.records[place] for place in places],
        rows=[inputs.rows[place] for place in places],
        num_skipped=inputs.num_skipped,
    )


def step_batches(step: int, rows: Sequence[Row], config: SftConfig) -> LaidOut[SftBatch]:
    """The microbatches of a step."""
    cut = cut_step(step, rows, config)
    num_targets = sum(len(rows[example].responses[0]) for examples in cut for example in examples)
    return LaidOut(
        cut,
        lambda examples: SftBatch(
            rows=language_rows([rows[example] for example in examples]), num_targets=num_targets
        ),
    )


def sft_loss(model: nn.Module, batch: SftBatch) -> tuple[Tensor, Metrics]:
    """The microbatch's share of the step's loss."""
    logprobs_R = target_logprobs(model, batch.rows)
    loss = nll_loss(logprobs_R, num_targets=batch.num_targets)
    return loss, {"num_tokens": batch.rows.layout.num_tokens}


if __name__ == "__main__":
    training_main(SftConfig, run)
