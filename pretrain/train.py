"""`python -m pretrain.train run.json`: from a corpus to a base model, through every stage.

Comes in: a PretrainConfig. Goes out: the tokenizer, the averaged model's checkpoint folder (and the one
before annealing), and the result. Killed at any moment and started again, it goes on to the same model.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from pretrain.checkpoint_folder import save_checkpoint_folder
from pretrain.config import PretrainConfig
from pretrain.corpus import Corpus, Document, Refusal, read_corpus, split_documents
from pretrain.course import GatedCourse
from pretrain.dialog import DialogEncoder
from pretrain.gates import gate_measure, gate_results, tell_gate
from pretrain.long_context import change_rope, num_text_rows
from pretrain.loop import discard_checkpoint, train
from pretrain.make_tokenizer import make_tokenizer
from pretrain.manifest import manifest_of, write_manifest
from pretrain.mix import proportional_mix
from pretrain.mixed_batches import MixedBatches
from pretrain.model import make_model, next_token_loss, num_parameters
from pretrain.packed.attention import use_planned_attention
from pretrain.packing import TokenBatch, TokenData
from pretrain.recall import RecallTask
from pretrain.run import RunFolder, program_main, write_atomically
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

REFUSED_NAME = "refused.jsonl"
MAX_REFUSED_WRITTEN = 10_000


@dataclass(frozen=True)
class Data:
    """What the corpus became."""

    corpus: Corpus
    encoder: DialogEncoder
    training: list[list[int]]
    """Token ids of each document."""
    sources: list[str]
    """Of each document in `training`."""
    holdout: TokenData
    num_holdout: int
    characters_per_token: float
    """Over the held-out documents, headers counted as tokens but not as characters."""


def run(config: PretrainConfig, folder: RunFolder) -> None:
    """The whole program, once `run.json` is read."""
    torch.set_num_threads(config.num_threads)
    recipe = config.recipe
    tokenizer_folder = config.tokenizer or folder.path / "tokenizer"
    data = prepare(config, folder, tokenizer_folder)
    model = make_model(recipe.model, data.encoder, recipe.max_length, config.seed)
    use_planned_attention(model)
    folder.metrics(0, model=recipe.model.describe(), num_parameters=num_parameters(model))

    text = TokenData(data.training, data.encoder.pad_id)
    task = None if recipe.gates is None else RecallTask(data.encoder, text.tokens_N)
    course = GatedCourse(
        recipe,
        gate_measure(model, config, data.encoder, data.holdout),
        on_long_context=lambda: change_rope(model, recipe),
    )
    mixed = mixed_batches(config, data, course)
    rows_of = random_rows(config, course, text) if mixed is None else mixed_rows(mixed, folder, course)

    def after_step(num_done: int) -> None:
        tell_gate(course, folder, num_done)
        if num_done in kept_steps(course):
            keep_weights(model, folder, num_done)
        if mixed is not None and num_done % config.log_every == 0:
            drawn = {f"drawn_{line.source}": line.tokens for line in mixed.ledger(num_done)}
            folder.metrics(num_done, **drawn)

    trained = train(
        model=model,
        batch_at=batches(config, rows_of, course, task),
        loss=next_token_loss,
        config=loop_config(config),
        folder=folder,
        learning_rate_at=course.learning_rate_at,
        after_step=after_step,
        course=course,
    )

    assert course.annealing_first is not None
    if mixed is not None:  # also where nothing was left to train: the ledger is of what was really drawn
        mixed.keep(folder, trained.num_steps, trained.num_steps)
    ledger = [] if mixed is None else mixed.ledger(trained.num_steps)
    manifest = manifest_of(data.corpus, config.corpus, tokenizer_folder, mixed.mix if mixed else None, ledger)
    load_mean(model, folder, [course.annealing_first])
    loss_before_annealing = holdout_loss(model, config, data.holdout)
    if config.out_initial is not None:
        save_checkpoint_folder(model, tokenizer_folder, config.out_initial)
        write_manifest(manifest, config.out_initial)
    load_mean(model, folder, course.averaged_steps())
    loss_at_end = holdout_loss(model, config, data.holdout)
    save_checkpoint_folder(model, tokenizer_folder, config.out)
    write_manifest(manifest, config.out)
    folder.metrics(
        trained.num_steps, holdout_loss=loss_at_end, holdout_loss_before_annealing=loss_before_annealing
    )
    folder.finish(
        {
            "num_parameters": num_parameters(model),
            "vocabulary_size": data.encoder.vocabulary_size,
            "num_steps": trained.num_steps,
            "num_tokens": int(trained.totals["num_tokens"]),
            "seconds": round(trained.seconds, 1),
            "loss": trained.final["loss"],
            "holdout_loss": loss_at_end,
            "holdout_loss_before_annealing": loss_before_annealing,
            "characters_per_token": data.characters_per_token,
            "corpus": {
                "files": data.corpus.num_files,
                "documents": len(data.corpus.documents),
                "holdout_documents": data.num_holdout,
                "refused": len(data.corpus.refusals),
                "tokens": sum(map(len, data.training)),
            },
            "ledger": [drawn.as_row() for drawn in ledger],
            **gate_results(model, config, data.encoder, data.holdout, course, folder),
        }
    )
    discard_checkpoint(folder)
    discard_weights(folder)


def prepare(config: PretrainConfig, folder: RunFolder, tokenizer_folder: Path) -> Data:
    """Read and split the corpus, train and save the tokenizer, encode everything."""
    corpus = read_corpus(config.corpus)
    write_refusals(folder, corpus.refusals)
    training, holdout = split_documents(corpus.documents, config.recipe.holdout_fraction, config.seed)
    if config.tokenizer is None:
        make_tokenizer(training, config.recipe, tokenizer_folder)
    encoder = DialogEncoder.from_folder(tokenizer_folder)
    encoded_holdout = encode(encoder, holdout)
    num_characters = sum(document.num_characters for document in holdout)
    return Data(
        corpus=corpus,
        encoder=encoder,
        training=encode(encoder, training),
        sources=[document.source for document in training],
        holdout=TokenData(encoded_holdout, encoder.pad_id),
        num_holdout=len(holdout),
        characters_per_token=num_characters / sum(len(ids) for ids in encoded_holdout),
    )


def mixed_batches(config: PretrainConfig, data: Data, course: GatedCourse) -> MixedBatches | None:
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


def encode(encoder: DialogEncoder, documents: Sequence[Document]) -> list[list[int]]:
    """Token ids of each document, in order."""
    texts = iter(encoder.encode_documents([d.text for d in documents if d.text is not None]))
    dialogs = iter(encoder.encode_dialogs([d.messages for d in documents if d.text is None]))
    return [next(dialogs if document.text is None else texts) for document in documents]


def write_refusals(folder: RunFolder, refusals: Sequence[Refusal]) -> None:
    """Write the first refused rows to `refused.jsonl`, for people."""
    rows = [
        json.dumps(asdict(refusal), ensure_ascii=False) + "\n" for refusal in refusals[:MAX_REFUSED_WRITTEN]
    ]
    write_atomically(folder.path / REFUSED_NAME, "".join(rows))


if __name__ == "__main__":
    program_main(PretrainConfig, run)
