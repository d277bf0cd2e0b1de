"""What the three training programs have in common: their start, their loop and their end.

Comes in: a TrainingConfig and the run folder. Goes out: the trained checkpoint folder, and result.json.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from alignment.programs import TrainingConfig
from alignment.training.forward import check_shared_prefix
from alignment.training.lora import add_adapters, merge_adapters
from alignment.training.rows import Row, to_device
from alignment.training.schedule import LaidOut, microbatches, num_steps, step_examples
from pretrain.checkpoint_check import check_checkpoint_folder
from pretrain.checkpoint_folder import load_causal_lm, save_checkpoint_folder
from pretrain.encoders import Encoder, encoder_for
from pretrain.loop import (
    LoopConfig,
    LoopResult,
    LossFunction,
    Microbatches,
    NotFinite,
    discard_checkpoint,
    train,
)
from pretrain.packed.attention import use_planned_attention
from pretrain.processes import is_first, process_group, require_device
from pretrain.run import Onlooker, ProgramError, RunFolder, program_main
from pretrain.sharding import ShardedModel, call, whole_model

BatchT = TypeVar("BatchT")
ConfigT = TypeVar("ConfigT", bound=TrainingConfig)

LOG_ROWS = 100
"""About how many rows of metrics a training leaves."""
NAMED = 5
"""Examples that an error names."""


def training_main(config_type: type[ConfigT], run: Callable[[ConfigT, RunFolder], None]) -> None:
    """The body of `python -m PROGRAM run.json`, alone or as one of the processes that share a training."""

    def run_together(config: ConfigT, folder: RunFolder) -> None:
        with process_group(config.num_processes):
            run(config, folder if is_first() else Onlooker(folder.path))

    program_main(config_type, run_together)


def start(config: TrainingConfig) -> Encoder:
    """Set torch up and check the initial checkpoint before any work; its encoder."""
    torch.set_num_threads(config.num_threads)
    require_device(config.device)
    check_checkpoint_folder(config.initial)
    return encoder_for(config.initial)


def context_window(folder: Path) -> int | None:
    """How many tokens the model of a checkpoint folder reads; None where its configuration does not say."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    window = config.get("max_position_embeddings")
    return None if window is None else int(window)


def load_initial(config: TrainingConfig, encoder: Encoder) -> nn.Module:
    """The causal language model to start from, on the CPU."""
    model = load_causal_lm(config.initial)
    use_planned_attention(model)
    check_shared_prefix(model)
    if config.lora is not None:
        torch.manual_seed(config.seed)  # adapters are drawn, alike in all processes
        add_adapters(model, config.lora)
    return model


def placed(model: nn.Module, config: TrainingConfig) -> nn.Module:
    """The model to train where it trains: on the device, or in parts on those of all processes."""
    if config.recompute_activations:
        model.gradient_checkpointing_enable()
    if config.precision == "pure_bf16":
        for weight in model.parameters():  # not the buffers: positions must not lose digits
            weight.data = weight.data.bfloat16()
    return ShardedModel(model) if config.num_processes > 1 else model.to(training_device())


def training_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def cut_step(step: int, rows: Sequence[Row], config: TrainingConfig) -> list[list[int]]:
    """The microbatches of a step, as indices into `rows`."""
    examples = step_examples(step, len(rows), config.optimizer, config.seed)
    cut = microbatches(
        [rows[example].num_tokens for example in examples],
        config.max_tokens_per_microbatch,
        config.num_processes,
    )
    return [[examples[place] for place in places] for places in cut]


def run_loop(
    config: ConfigT,
    folder: RunFolder,
    *,
    model: nn.Module,
    rows: Sequence[Row],
    names: Sequence[str],
    batches: Callable[[int, ConfigT], LaidOut[BatchT]],
    loss: LossFunction[BatchT],
) -> LoopResult:
    """Train `model` in place over the config's epochs.

    `batches(step, config)` gives a step's microbatches of `rows`. Where the loss is no number, the
    ProgramError names the examples that make it so.
    """
    device = training_device()
    steps = num_steps(len(rows), config.optimizer)
    loop_config = LoopConfig(
        num_steps=steps,
        learning_rate=config.optimizer.learning_rate,
        warmup_steps=round(steps * config.optimizer.warmup_fraction),
        schedule="linear",
        final_fraction=config.optimizer.final_fraction,
        weight_decay=config.optimizer.weight_decay,
        beta2=config.optimizer.beta2,
        max_grad_norm=config.optimizer.max_grad_norm,
        precision=config.precision,
        checkpoint_seconds=config.checkpoint_seconds,
        log_every=max(1, steps // LOG_ROWS),
        seed=config.seed,
    )

    def batch_at(step: int) -> Microbatches[BatchT]:
        return batches(step, config).then(lambda batch: to_device(batch, device))

    try:
        return train(model=model, batch_at=batch_at, loss=loss, config=loop_config, folder=folder)
    except NotFinite as error:
        alone = config.model_copy(update={"max_tokens_per_microbatch": 1})
        examples = [example for (example,) in cut_step(error.step, rows, alone)]
        with torch.no_grad():
            losses = [call(model, loss, to_device(batch, device))[0] for batch in batches(error.step, alone)]
        guilty = {
            names[example]: None
            for example, value in zip(examples, losses, strict=True)
            if not torch.isfinite(value)
        }
        raise ProgramError(f"{error} {whose_fault(list(guilty), len(set(examples)))}") from error


def whose_fault(guilty: Sequence[str], num_examples: int) -> str:
    """What the examples of a step have to do with its loss, as a sentence."""
    if not guilty:
        return "No example of the step alone makes it so: the gradient was too large."
    if len(guilty) == num_examples:
        return f"All {num_examples} examples of the step give no number: the weights are spoiled already."
    more = f" and {len(guilty) - NAMED} more" if len(guilty) > NAMED else ""
    return f"These examples make it so, look at them: {', '.join(guilty[:NAMED])}{more}."


def finish(
    config: TrainingConfig,
    folder: RunFolder,
    *,
    model: nn.Module,
    num_examples: int,
    num_skipped: int,
    loop: LoopResult,
    more: dict[str, Any],  # Any: each program's own figures
) -> None:
    """Write the checkpoint folder, then the result; of several processes the first does."""
    whole = whole_model(model)
    if whole is None:
        return
    whole = whole.float()
    if config.lora is not None:
        merge_adapters(whole)
    save_checkpoint_folder(whole, config.initial, config.out)
    folder.finish(
        {
            "num_examples": num_examples,
            "num_skipped": num_skipped,
            "num_steps": loop.num_steps,
            "num_tokens": round(loop.totals["num_tokens"]),
            "loss": loop.final["loss"],
            **more,
        }
    )
    discard_checkpoint(folder)
