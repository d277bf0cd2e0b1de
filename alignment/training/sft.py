"""Supervised finetuning: `python -m alignment.training.sft run.json` (alignment.programs.SftConfig).

Comes in: the base and SftExamples. Goes out: a chat model. Cross-entropy on the response's tokens, the one
that ends it included; the context is masked. The loss is the mean over the step's target tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from alignment.programs import SftConfig
from alignment.training.forward import target_logprobs
from alignment.training.inputs import sft_inputs
from alignment.training.losses import Metrics, nll_loss
from alignment.training.program import cut_step, finish, load_initial, run_loop, start, training_device
from alignment.training.rows import LanguageRows, Row, language_rows, to_device
from pretrain.run import RunFolder, program_main


@dataclass(frozen=True, kw_only=True)
class SftBatch:
    """One microbatch."""

    rows: LanguageRows
    num_targets: int
    """Target tokens of the whole step."""


def run(config: SftConfig, folder: RunFolder) -> None:
    """Train, save, report."""
    encoder = start(config)
    inputs = sft_inputs(config.train, encoder, config.max_row_tokens)
    model = load_initial(config, encoder)
    device = training_device()
    loop = run_loop(
        config,
        folder,
        model=model,
        num_examples=len(inputs.rows),
        batch_at=lambda step: [to_device(batch, device) for batch in step_batches(step, inputs.rows, config)],
        loss=sft_loss,
    )
    finish(
        config,
        folder,
        model=model,
        num_examples=len(inputs.rows),
        num_skipped=inputs.num_skipped,
        loop=loop,
        more={},
    )


def step_batches(step: int, rows: Sequence[Row], config: SftConfig) -> list[SftBatch]:
    """The microbatches of a step."""
    cut = cut_step(step, rows, config)
    num_targets = sum(len(rows[example].responses[0]) for examples in cut for example in examples)
    return [
        SftBatch(rows=language_rows([rows[example] for example in examples]), num_targets=num_targets)
        for examples in cut
    ]


def sft_loss(model: nn.Module, batch: SftBatch) -> tuple[Tensor, Metrics]:
    """The microbatch's share of the step's loss."""
    logprobs_R = target_logprobs(model, batch.rows)
    loss = nll_loss(logprobs_R, num_targets=batch.num_targets)
    return loss, {"num_tokens": batch.rows.layout.num_tokens}


if __name__ == "__main__":
    program_main(SftConfig, run)
