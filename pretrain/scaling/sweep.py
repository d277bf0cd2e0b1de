"""The runs of a sweep: each trains one model of the plan and measures it on held-out text and tasks.

Comes in: a plan and a corpus. Goes out: a RunPoint for each run, in a folder of its own under `runs/`. A run
that is done is not done again; one that was stopped goes on from its checkpoint to the same model.
"""

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import Field
from torch import nn

from pretrain.corpus import read_corpus, split_documents
from pretrain.dialog import DialogEncoder
from pretrain.loop import LoopConfig, discard_checkpoint, train
from pretrain.model import make_model, next_token_loss, num_parameters
from pretrain.packed.attention import use_planned_attention
from pretrain.packing import TokenData
from pretrain.recipe import RATE_TIMES_WIDTH
from pretrain.run import ProgramConfig, RunFolder
from pretrain.scaling.plan import RunPlan, SizeRule
from pretrain.scaling.points import RunPoint
from pretrain.scaling.tasks import EncodedTask, encode_tasks, make_tasks, measure, read_tasks
from pretrain.stages import MAX_HOLDOUT_TOKENS
from pretrain.tokenizer import save_tokenizer, train_tokenizer
from pretrain.training_data import encode

GIGA = 1e9


class SweepRecipe(ProgramConfig):
    """What all runs share."""

    vocabulary_size: int = Field(default=1024, ge=264)
    sizes: SizeRule = SizeRule()
    num_rows: int = Field(default=8, ge=1)
    sequence_length: int = Field(default=128, ge=16)
    rate_times_width: float = Field(default=RATE_TIMES_WIDTH, gt=0)
    """The peak learning rate of a model times its width."""
    warmup_fraction: float = Field(default=0.1, ge=0, lt=1)
    """Of each run's steps; then a cosine over the rest, as long as the run: one schedule for all lengths
    would bend the parabolas (Hoffmann et al. 2022, section 3.1)."""
    final_fraction: float = Field(default=0.1, ge=0, le=1)
    weight_decay: float = Field(default=0.1, ge=0)
    beta2: float = Field(default=0.98, gt=0, lt=1)
    holdout_fraction: float = Field(default=0.05, gt=0, lt=0.5)
    num_tasks: int = Field(default=500, ge=20)
    """Made of held-out text where no file of tasks is given."""


@dataclass(frozen=True, kw_only=True)
class SweepData:
    """What the corpus became."""

    encoder: DialogEncoder
    training: TokenData
    holdout: TokenData
    characters_per_token: float
    tasks: list[EncodedTask]
    fingerprint: str
    """Of everything that shapes a run but its plan."""


def prepare(
    corpus_path: Path, tasks_path: Path | None, recipe: SweepRecipe, seed: int, folder: RunFolder
) -> SweepData:
    """Read the corpus, train the tokenizer, encode everything."""
    corpus = read_corpus(corpus_path)
    training, holdout = split_documents(corpus.documents, recipe.holdout_fraction, seed)
    tokenizer_folder = folder.path / "tokenizer"
    pieces = (piece for document in training for piece in document.pieces())
    save_tokenizer(train_tokenizer(pieces, recipe.vocabulary_size), tokenizer_folder, recipe.sequence_length)
    encoder = DialogEncoder.from_folder(tokenizer_folder)
    texts = [document.text for document in holdout if document.text is not None]
    tasks = make_tasks(texts, recipe.num_tasks, seed) if tasks_path is None else read_tasks(tasks_path)
    encoded_holdout = encode(encoder, holdout)
    num_tokens = sum(len(ids) for ids in encoded_holdout)
    digest = hashlib.sha256(recipe.model_dump_json(exclude={"sizes"}).encode())
    for document in corpus.documents:
        digest.update(document.digest(seed).to_bytes(8, "big"))
    for task in tasks:
        digest.update(task.model_dump_json().encode())
    return SweepData(
        encoder=encoder,
        training=TokenData(encode(encoder, training), encoder.pad_id),
        holdout=TokenData(encoded_holdout, encoder.pad_id),
        characters_per_token=sum(document.num_characters for document in holdout) / num_tokens,
        tasks=encode_tasks(tasks, encoder),
        fingerprint=digest.hexdigest(),
    )


def run_sweep(
    plans: Sequence[RunPlan], data: SweepData, recipe: SweepRecipe, seed: int, folder: RunFolder
) -> list[RunPoint]:
    """All runs of the plan, those that are done read from their folders. Progress is counted in FLOPs."""
    total = round(sum(plan.flops for plan in plans) / GIGA)
    done = 0.0
    points: list[RunPoint] = []
    for plan in plans:
        own = RunFolder(folder.path / "runs" / name_of(plan, data))
        found = own.read_result()
        if found is None:
            before = done
            spoke = 0.0

            def tell(num_steps: int, plan: RunPlan = plan, before: float = before) -> None:
                nonlocal spoke
                if time.perf_counter() - spoke >= 1:
                    spoke = time.perf_counter()
                    now = before + plan.flops * num_steps / plan.num_steps
                    folder.progress(round(now / GIGA), total, "GFLOP")

            own.write_config(plan)
            found = train_one(plan, data, recipe, seed, own, tell)
            own.finish(found)
            discard_checkpoint(own)
        done += plan.flops
        folder.progress(round(done / GIGA), total, "GFLOP")
        point = RunPoint.model_validate(found)
        folder.metrics(len(points), **point.model_dump(), width=plan.model.hidden_size)
        points.append(point)
    return points


def train_one(
    plan: RunPlan,
    data: SweepData,
    recipe: SweepRecipe,
    seed: int,
    folder: RunFolder,
    after_step: Callable[[int], None],
) -> dict[str, float | int]:
    """Train and measure one model: the fields of its RunPoint."""
    model = make_model(plan.model, data.encoder, recipe.sequence_length, seed)
    use_planned_attention(model)
    config = LoopConfig(
        num_steps=plan.num_steps,
        learning_rate=recipe.rate_times_width / plan.model.hidden_size,
        warmup_steps=round(recipe.warmup_fraction * plan.num_steps),
        schedule="cosine",
        final_fraction=recipe.final_fraction,
        weight_decay=recipe.weight_decay,
        beta2=recipe.beta2,
        checkpoint_seconds=30,
        log_every=20,
        seed=seed,
    )
    train(
        model=model,
        batch_at=lambda step: data.training.random_batch(
            seed=seed,
            step=step,
            num_rows=recipe.num_rows,
            sequence_length=recipe.sequence_length,
            rows_per_microbatch=recipe.num_rows,
        ),
        loss=next_token_loss,
        config=config,
        folder=folder,
        after_step=after_step,
    )
    tasks = measure(model, data.tasks, data.encoder.pad_id)
    return {
        "budget": plan.budget,
        "num_tokens": plan.num_tokens,
        "loss": held_out_loss(model, data.holdout, recipe) / data.characters_per_token,
        "answer_nll": tasks.answer_nll,
        "accuracy": tasks.accuracy,
        "num_parameters": num_parameters(model),
    }


@torch.no_grad()
def held_out_loss(model: nn.Module, data: TokenData, recipe: SweepRecipe) -> float:
    """Mean loss per token of the held-out documents."""
    model.eval()
    total, num_targets = 0.0, 0
    batches = data.whole_batches(
        sequence_length=recipe.sequence_length,
        num_rows=32,
        max_rows=max(1, MAX_HOLDOUT_TOKENS // recipe.sequence_length),
    )
    for batch in batches:
        if batch.num_targets:
            mean, _ = next_token_loss(model, batch)
            total += mean.item() * batch.num_targets
            num_targets += batch.num_targets
    return total / max(1, num_targets)


def name_of(plan: RunPlan, data: SweepData) -> str:
    """The folder of a run: another plan, corpus or recipe is another run."""
    digest = hashlib.sha256(json.dumps([plan.model_dump(), data.fingerprint]).encode()).hexdigest()
    return f"{plan.budget:.2e}-{plan.model.hidden_size}-{digest[:8]}"
