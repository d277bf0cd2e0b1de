"""`python -m pretrain.parallel.train run.json`: a base model on a mesh of processes.

Comes in: a ParallelConfig, in as many processes as its mesh has, as torch's launcher starts them
(docs/parallel.md). Goes out: the trained model's checkpoint folder and the result. Killed at any moment and
started again, on this mesh or another, it goes on from the newest complete checkpoint with the next token.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import torch

from pretrain.checkpoint_folder import save_checkpoint_folder
from pretrain.corpus import Document, read_corpus, split_documents
from pretrain.dialog import DialogEncoder
from pretrain.loop import LoopConfig, NotFinite, train_with
from pretrain.mix_record import check_mix, digests, keep_mix
from pretrain.mixed_stream import MixedStream, Stream
from pretrain.model import make_model, num_parameters
from pretrain.parallel.config import ParallelConfig
from pretrain.parallel.elastic import ElasticStore, Standing, discard_elastic, load_whole, standing
from pretrain.parallel.engine import MeshEngine
from pretrain.parallel.mesh import make_mesh
from pretrain.parallel.plan import check_plan
from pretrain.parallel.schedule import Phase, Reading
from pretrain.processes import is_first, process_group, wait_for_all
from pretrain.run import Onlooker, ProgramError, RunFolder, program_main
from pretrain.spikes import named
from pretrain.stream import Rows, TokenStream
from pretrain.text_loss import MAX_GATE_TOKENS
from pretrain.training_data import encode


def main_together(config: ParallelConfig, folder: RunFolder) -> None:
    """One of the processes of the mesh."""
    with process_group(config.plan.num_processes):
        run(config, folder if is_first() else Onlooker(folder.path))


def run(config: ParallelConfig, folder: RunFolder) -> None:
    """The whole program, once `run.json` is read and the processes have found each other."""
    torch.set_num_threads(config.num_threads)
    encoder = DialogEncoder.from_folder(config.tokenizer)
    phases = config.schedule.phases
    batches = [(phase.num_rows, phase.sequence_length) for phase in phases]
    check_plan(config.plan, config.model, encoder.vocabulary_size, batches)
    corpus: Sequence[Document] = read_corpus(config.corpus).documents
    holdout: Sequence[Document] = ()
    if config.holdout_fraction:
        corpus, holdout = split_documents(tuple(corpus), config.holdout_fraction, config.seed)
    documents = encode(encoder, corpus)
    sources = [document.source for document in corpus]

    length = max(phase.sequence_length for phase in phases)
    whole = make_model(config.model, encoder, length, config.seed)
    num_weights = num_parameters(whole)
    found = standing(folder)
    stream = stream_of(config, documents, sources, folder, found)
    reading = Reading(config.schedule, found.step, found.num_tokens)
    store = ElasticStore(folder, reading.tokens_before, facts_of(config, documents))
    engine = MeshEngine(whole, make_mesh(config.plan), store)
    folder.metrics(found.step, mesh=config.plan.describe(), num_parameters=num_weights)

    def rows_at(step: int) -> Rows:
        phase = reading.phase_at(step)
        return stream.rows(reading.tokens_before(step), phase.num_rows, phase.sequence_length)

    looks = held_out_rows(encode(encoder, holdout), phases[0], config.seed)
    loop = loop_config(config, reading.num_steps)

    def evaluation_loss() -> float:
        """Nats per token of the held-out documents; all processes together."""
        num_targets = sum(rows.num_targets for rows in looks)
        return sum(engine.mean_loss(rows, loop) * rows.num_targets for rows in looks) / max(1, num_targets)

    def after_step(num_done: int) -> None:
        if config.evaluate_every is not None and num_done % config.evaluate_every == 0:
            folder.metrics(num_done, evaluation_loss=evaluation_loss())
        if num_done % config.log_every == 0:
            drawn = ledger_rows(stream, reading.tokens_before(num_done))
            folder.metrics(num_done, **{f"drawn_{line['source']}": line["tokens"] for line in drawn})

    def name_batch(step: int) -> str:
        first = reading.tokens_before(step)
        numbers = stream.documents(first, reading.phase_at(step).tokens_per_step)
        return f"tokens {first} and on, of {len(numbers)} documents: {named(numbers)} of the corpus"

    try:
        trained = train_with(
            engine,
            batch_at=rows_at,
            config=loop,
            folder=folder,
            learning_rate_at=reading.learning_rate_at,
            after_step=after_step,
            name_batch=name_batch,
        )
    except NotFinite as error:
        raise ProgramError(f"{error} The batch read {name_batch(error.step)}.") from error
    evaluated = {"holdout_loss": evaluation_loss()} if looks else {}
    if not is_first():
        return
    whole = make_model(config.model, encoder, length, config.seed)
    load_whole(whole, folder)
    save_checkpoint_folder(whole, config.tokenizer, config.out)
    folder.finish(
        {
            "num_parameters": num_weights,
            "num_steps": trained.num_steps,
            "num_tokens": reading.tokens_before(reading.num_steps),
            "seconds": round(trained.seconds, 1),
            "loss": trained.final["loss"],
            "mesh": config.plan.describe(),
            "ledger": ledger_rows(stream, reading.tokens_before(reading.num_steps)),
            **evaluated,
        }
    )
    discard_elastic(folder)


def held_out_rows(documents: list[list[int]], phase: Phase, seed: int) -> list[Rows]:
    """What the held-out loss is measured on: batches of the phase's shape, each document once as far as whole
    batches and MAX_GATE_TOKENS go, one batch at least. None where nothing is held out."""
    if not documents:
        return []
    stream = TokenStream(documents, seed)
    tokens = phase.num_rows * phase.sequence_length
    num = max(1, min(stream.num_tokens, MAX_GATE_TOKENS) // tokens)
    return [stream.rows(place * tokens, phase.num_rows, phase.sequence_length) for place in range(num)]


def stream_of(
    config: ParallelConfig, documents: list[list[int]], sources: list[str], folder: RunFolder, found: Standing
) -> Stream:
    """What the training reads. Raises ProgramError where a mix would have drawn other tokens up to here."""
    if config.mix is None:
        return TokenStream(documents, config.seed)
    if config.mix.annealing is not None:
        raise ProgramError("This program knows no annealing stage: give its weights as a phase of the mix.")
    stream = MixedStream(documents, sources, config.mix, config.seed)
    check_mix(folder, config.mix, stream, digests(documents, sources), found.num_tokens)
    wait_for_all()  # each process reads the record before the first writes it anew
    if is_first():
        keep_mix(folder, config.mix, digests(documents, sources))
    return stream


def ledger_rows(stream: Stream, num_tokens: int) -> list[dict[str, Any]]:  # Any: JSON
    """The ledger of a mix; nothing without one."""
    return [drawn.as_row() for drawn in stream.ledger(num_tokens)] if isinstance(stream, MixedStream) else []


def loop_config(config: ParallelConfig, num_steps: int) -> LoopConfig:
    """The loop's settings; the learning rate itself comes from the schedule."""
    return LoopConfig(
        num_steps=num_steps,
        learning_rate=config.schedule.learning_rate,
        weight_decay=config.weight_decay,
        beta2=config.beta2,
        max_grad_norm=config.max_grad_norm,
        spike_factor=config.spike_factor,
        precision=config.precision,
        checkpoint_seconds=config.checkpoint_seconds,
        log_every=config.log_every,
        seed=config.seed,
    )


def facts_of(config: ParallelConfig, documents: list[list[int]]) -> dict[str, object]:
    """What must not change in the middle of a training."""
    digest = hashlib.sha256()
    for document in documents:
        digest.update(repr(document).encode())
    return {
        "model": config.model.model_dump(exclude_none=True),
        "seed": config.seed,
        # By a mix, sources may come in mid-run: `stream_of` compares those that were drawn.
        "documents": digest.hexdigest() if config.mix is None else "mixed",
    }


if __name__ == "__main__":
    program_main(ParallelConfig, main_together)
