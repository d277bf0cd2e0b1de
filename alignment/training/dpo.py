"""Direct preference optimisation: `python -m alignment.training.dpo run.json` (alignment.programs.DpoConfig).

Comes in: this round's SFT model, which is also the reference, and PreferenceRecords. Goes out: a policy.
The best response of a record trains against each worse one. What the reference says of the responses is
computed once, before training, and kept in the run folder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from alignment.programs import DpoConfig
from alignment.training.forward import target_logprobs
from alignment.training.inputs import Inputs, preference_inputs
from alignment.training.losses import DpoTerms, Metrics, dpo_loss
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
from alignment.training.reference import reference_logprobs
from alignment.training.rows import LanguageRows, Row, best_pairs, language_rows
from alignment.training.schedule import LaidOut
from annotation.records import PreferenceRecord
from pretrain.run import RunFolder


@dataclass(frozen=True, kw_only=True)
class DpoBatch:
    """One microbatch."""

    rows: LanguageRows
    chosen_P: Tensor
    rejected_P: Tensor
    best_R: Tensor
    """True on the tokens of each row's best response."""
    reference_S: Tensor
    num_pairs: int
    """Pairs of the whole step."""
    num_best_tokens: int
    """Tokens of best responses in the whole step."""


def run(config: DpoConfig, folder: RunFolder) -> None:
    """Train, save, report."""
    encoder = start(config)
    window = context_window(config.initial)

    def read(path: Path) -> tuple[Inputs[PreferenceRecord], list[Row]]:
        inputs = preference_inputs(path, encoder, config.max_row_tokens, window)
        return inputs, inputs.rows if config.mask_format_tokens else [*map(without_format, inputs.rows)]

    inputs, rows = read(config.train)
    together = rows if config.reference_train is None else read(config.reference_train)[1]
    model = placed(load_initial(config, encoder), config)
    reference = reference_logprobs(model, rows, together, config, folder)
    loop = run_loop(
        config,
        folder,
        model=model,
        rows=rows,
        names=[record.id for record in inputs.records],
        batches=lambda step, config: step_batches(step, rows, reference, config),
        loss=partial(policy_loss, terms=terms_of(config)),
    )
    finish(
        config,
        folder,
        model=model,
        num_examples=len(rows),
        num_skipped=inputs.num_skipped,
        loop=loop,
        more={"accuracy": loop.final["accuracy"], "margin": loop.final["margin"]},
    )


def without_format(row: Row) -> Row:
    """The row with no token marked as a format token, so that all of them count."""
    masks = [[False] * len(mask) for mask in row.format_masks]
    return Row(context=row.context, responses=row.responses, format_masks=masks)


def step_batches(
    step: int, rows: Sequence[Row], reference: Sequence[Tensor], config: DpoConfig
) -> LaidOut[DpoBatch]:
    """The microbatches of a step; `reference` has each row's log-probabilities under the reference."""
    cut = cut_step(step, rows, config)
    examples_of_step = [example for examples in cut for example in examples]
    num_pairs = sum(len(rows[example].responses) - 1 for example in examples_of_step)
    num_best_tokens = sum(len(rows[example].responses[0]) for example in examples_of_step)

    def lay_out(examples: Sequence[int]) -> DpoBatch:
        batch_rows = [rows[example] for example in examples]
        chosen, rejected = best_pairs(batch_rows)
        return DpoBatch(
            rows=language_rows(batch_rows),
            chosen_P=torch.tensor(chosen),
            rejected_P=torch.tensor(rejected),
            best_R=torch.tensor(
                [
                    place == 0
                    for row in batch_rows
                    for place, tokens in enumerate(row.responses)
                    for _ in tokens
                ]
            ),
            reference_S=torch.cat([reference[example] for example in examples]),
            num_pairs=num_pairs,
            num_best_tokens=num_best_tokens,
        )

    return LaidOut(cut, lay_out)


def terms_of(config: DpoConfig) -> DpoTerms:
    """The loss that the configuration asks for."""
    return DpoTerms(
        beta=config.beta,
        nll_coefficient=config.nll_coefficient,
        label_smoothing=config.label_smoothing,
        identity=config.preference_term == "ipo",
    )


def policy_loss(model: nn.Module, batch: DpoBatch, *, terms: DpoTerms) -> tuple[Tensor, Metrics]:
    """The microbatch's share of the step's loss."""
    loss, metrics = dpo_loss(
        target_logprobs(model, batch.rows),
        batch.rows.response_R,
        batch.rows.format_R,
        batch.reference_S,
        batch.chosen_P,
        batch.rejected_P,
        batch.best_R,
        terms=terms,
        num_pairs=batch.num_pairs,
        num_best_tokens=batch.num_best_tokens,
    )
    return loss, {**metrics, "num_tokens": batch.rows.layout.num_tokens}


if __name__ == "__main__":
    training_main(DpoConfig, run)
