"""`python -m pretrain.train run.json`: from a corpus to a base model, through every stage.

Comes in: a PretrainConfig. Goes out: the tokenizer, the averaged model's checkpoint folder (and the one
before annealing), and the result. Killed at any moment and started again, it goes on to the same model.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pretrain.checkpoint_folder import save_checkpoint_folder
from pretrain.config import PretrainConfig
from pretrain.course import GatedCourse
from pretrain.gates import gate_measure, gate_results, tell_gate
from pretrain.long_context import change_rope, num_text_rows
from pretrain.loop import LoopResult, discard_checkpoint, train
from pretrain.manifest import Manifest, manifest_of, write_manifest
from pretrain.mix import Drawn, proportional_mix
from pretrain.mixed_batches import MixedBatches
from pretrain.model import make_model, next_token_loss, num_parameters
from pretrain.packed.attention import use_planned_attention
from pretrain.packing import TokenBatch, TokenData
from pretrain.recall import RecallTask
from pretrain.run import RunFolder, program_main
from pretrain.spikes import named
from pretrain.stages import (
    TextRows,
    batches,
    discard_weights,
    holdout_loss,
    keep_weights,
    kept_steps,
    load_mean,
    loop_config,
    random_rows,
)
from pretrain.text_loss import MAX_GATE_TOKENS, mean_loss
from pretrain.training_data import TrainingData, prepare


@dataclass(frozen=True)
class Training:
    """A model with all that its steps go by."""

    config: PretrainConfig
    folder: RunFolder
    data: TrainingData
    model: nn.Module
    course: GatedCourse
    mixed: MixedBatches | None
    """None where there is no mix."""

    def ledger(self, num_steps: int) -> list[Drawn]:
        """What was drawn from each source in so many steps; empty where there is no mix."""
        return [] if self.mixed is None else self.mixed.ledger(num_steps)


def run(config: PretrainConfig, folder: RunFolder) -> None:
    """The whole program, once `run.json` is read."""
    torch.set_num_threads(config.num_threads)
    training = training_of(config, folder, prepare(config, folder))
    trained = train_stages(training)
    ledger = training.ledger(trained.num_steps)
    losses = write_models(training, ledger)
    folder.metrics(trained.num_steps, **losses)
    folder.finish(result_of(training, trained, ledger) | losses)
    discard_checkpoint(folder)
    discard_weights(folder)


def training_of(config: PretrainConfig, folder: RunFolder, data: TrainingData) -> Training:
    """The model with its first weights, the course of its stages, and the mix."""
    recipe = config.recipe
    model = make_model(recipe.model, data.encoder, recipe.max_length, config.seed)
    use_planned_attention(model)
    folder.metrics(0, model=recipe.model.describe(), num_parameters=num_parameters(model))
    course = GatedCourse(
        recipe,
        gate_measure(model, config, data.encoder, data.holdout),
        on_long_context=lambda: change_rope(model, recipe),
    )
    return Training(config, folder, data, model, course, mixed_batches(config, data, course))


def train_stages(training: Training) -> LoopResult:
    """Take the steps of all stages; weights are kept before annealing and, for the average, during it."""
    config, folder, course, mixed = training.config, training.folder, training.course, training.mixed
    text = TokenData(training.data.training, training.data.encoder.pad_id)
    task = None if config.recipe.gates is None else RecallTask(training.data.encoder, text.tokens_N)
    rows_of = random_rows(config, course, text) if mixed is None else mixed_rows(mixed, folder, course)

    def after_step(num_done: int) -> None:
        tell_gate(course, folder, num_done)
        if num_done in kept_steps(course):
            keep_weights(training.model, folder, num_done)
        if config.evaluate_every is not None and num_done % config.evaluate_every == 0:
            folder.metrics(num_done, evaluation_loss=evaluation_loss(training))
        if num_done % config.log_every == 0:
            drawn = {f"drawn_{line.source}": line.tokens for line in training.ledger(num_done)}
            if drawn:
                folder.metrics(num_done, **drawn)

    def name_batch(step: int) -> str:
        """By numbers among the training documents where rows come from random places."""
        if mixed is not None:
            return f"tokens {mixed.tokens_before(step)} and on of the mix"
        stage = course.stage_at(step).recipe
        numbers = text.documents(
            seed=config.seed,
            step=step,
            num_rows=num_text_rows(config.recipe.gates, stage),
            sequence_length=stage.sequence_length,
        )
        return f"{len(numbers)} documents: {named(numbers)} of those trained on"

    trained = train(
        model=training.model,
        batch_at=batches(config, rows_of, course, task),
        loss=next_token_loss,
        config=loop_config(config),
        folder=folder,
        learning_rate_at=course.learning_rate_at,
        after_step=after_step,
        course=course,
        name_batch=name_batch,
    )
    if mixed is not None:  # also where nothing was left to train: the ledger is of what was really drawn
        mixed.keep(folder, trained.num_steps, trained.num_steps)
    return trained


def evaluation_loss(training: Training) -> float:
    """Nats per held-out token, in rows that the model has known since its first stage."""
    config = training.config
    length = config.recipe.initial.sequence_length
    return mean_loss(
        training.model,
        training.data.holdout,
        length=length,
        num_rows=max(1, config.max_tokens_per_microbatch // length),
        max_tokens=MAX_GATE_TOKENS,
    )


def write_models(training: Training, ledger: Sequence[Drawn]) -> dict[str, float]:
    """Write the model before annealing, where it is wanted, and the averaged one; their held-out losses."""
    config, course, data = training.config, training.course, training.data
    assert course.annealing_first is not None
    mix = None if training.mixed is None else training.mixed.mix
    manifest = manifest_of(data.corpus, config.corpus, data.tokenizer_folder, mix, list(ledger))
    return {
        "holdout_loss_before_annealing": write_mean(
            training, [course.annealing_first], manifest, config.out_initial
        ),
        "holdout_loss": write_mean(training, course.averaged_steps(), manifest, config.out),
    }


def write_mean(training: Training, steps: Sequence[int], manifest: Manifest, out: Path | None) -> float:
    """Put the mean of the weights after `steps` into the model and, with what it was made of, into `out`; its
    held-out loss."""
    load_mean(training.model, training.folder, steps)
    loss = holdout_loss(training.model, training.config, training.data.holdout)
    if out is not None:
        save_checkpoint_folder(training.model, training.data.tokenizer_folder, out)
        write_manifest(manifest, out)
    return loss


def result_of(
    training: Training, trained: LoopResult, ledger: Sequence[Drawn]
) -> dict[str, Any]:  # Any: plain values
    """What the run did, but for the held-out losses."""
    data = training.data
    return {
        "num_parameters": num_parameters(training.model),
        "vocabulary_size": data.encoder.vocabulary_size,
        "num_steps": trained.num_steps,
        "num_tokens": int(trained.totals["num_tokens"]),
        "flops": trained.totals["flops"],
        "seconds": round(trained.seconds, 1),
        "loss": trained.final["loss"],
        "characters_per_token": data.characters_per_token,
        "corpus": {
            "files": data.corpus.num_files,
            "documents": len(data.corpus.documents),
            "holdout_documents": data.num_holdout,
            "refused": len(data.corpus.refusals),
            "tokens": data.num_tokens,
        },
        "ledger": [drawn.as_row() for drawn in ledger],
        **gate_results(
            training.model, training.config, data.encoder, data.holdout, training.course, training.folder
        ),
    }


def mixed_batches(config: PretrainConfig, data: TrainingData, course: GatedCourse) -> MixedBatches | None:
    """What the steps read where there is a mix."""
    mix = config.mix
    if mix is None:
        return None
    if mix == "by_size":
        num_tokens: Counter[str] = Counter()
        for document, source in zip(data.training, data.sources, strict=True):
            num_tokens[source] += len(document)
        mix = proportional_mix(num_tokens, config.recipe.max_length)

    def rows_at(step: int) -> tuple[int, int]:
        stage = course.stage_at(step).recipe
        return num_text_rows(config.recipe.gates, stage), stage.sequence_length

    return MixedBatches(
        data.training,
        data.sources,
        mix,
        config.seed,
        rows_at=rows_at,
        annealing_first=lambda: course.annealing_first,
        max_tokens_per_microbatch=config.max_tokens_per_microbatch,
    )


def mixed_rows(mixed: MixedBatches, folder: RunFolder, course: GatedCourse) -> TextRows:
    """A mix's rows of text for each step. Before the first of a sitting, when the course knows what was done,
    the mix is checked against what was drawn by it before."""
    checked = False

    def rows_of(step: int) -> list[TokenBatch]:
        nonlocal checked
        if not checked:
            mixed.keep(folder, step, None if course.annealing_first is None else course.num_steps)
            checked = True
        return mixed.batch_at(step)

    return rows_of


if __name__ == "__main__":
    program_main(PretrainConfig, run)
