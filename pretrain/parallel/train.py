"""`python -m pretrain.parallel.train run.json`: a base model on a mesh of processes.

Comes in: a ParallelConfig, in as many processes as its mesh has, as torch's launcher starts them
(docs/parallel.md). Goes out: the trained model's checkpoint folder and the result. Killed at any moment and
started again, on this mesh or another, it goes on from the newest complete checkpoint with the next token.
"""

import hashlib

import torch

from pretrain.checkpoint_folder import save_checkpoint_folder
from pretrain.corpus import read_corpus
from pretrain.dialog import DialogEncoder
from pretrain.loop import LoopConfig, NotFinite, train_with
from pretrain.model import make_model, num_parameters
from pretrain.parallel.config import ParallelConfig
from pretrain.parallel.elastic import ElasticStore, discard_elastic, load_whole, standing
from pretrain.parallel.engine import MeshEngine
from pretrain.parallel.mesh import make_mesh
from pretrain.parallel.plan import check_plan
from pretrain.parallel.schedule import Reading
from pretrain.processes import is_first, process_group
from pretrain.run import Onlooker, ProgramError, RunFolder, program_main
from pretrain.stream import Rows, TokenStream
from pretrain.train import encode

NAMED = 5
"""Documents that an error names."""


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
    documents = encode(encoder, read_corpus(config.corpus).documents)
    stream = TokenStream(documents, config.seed)

    length = max(phase.sequence_length for phase in phases)
    whole = make_model(config.model, encoder, length, config.seed)
    num_weights = num_parameters(whole)
    found = standing(folder)
    reading = Reading(config.schedule, found.step, found.num_tokens)
    store = ElasticStore(folder, reading.tokens_before, facts_of(config, documents))
    engine = MeshEngine(whole, make_mesh(config.plan), store)
    folder.metrics(found.step, mesh=config.plan.describe(), num_parameters=num_weights)

    def rows_at(step: int) -> Rows:
        phase = reading.phase_at(step)
        return stream.rows(reading.tokens_before(step), phase.num_rows, phase.sequence_length)

    try:
        trained = train_with(
            engine,
            batch_at=rows_at,
            config=loop_config(config, reading.num_steps),
            folder=folder,
            learning_rate_at=reading.learning_rate_at,
        )
    except NotFinite as error:
        first = reading.tokens_before(error.step)
        numbers = stream.documents(first, reading.phase_at(error.step).tokens_per_step)
        named = ", ".join(str(number + 1) for number in numbers[:NAMED])
        raise ProgramError(
            f"{error} The batch read tokens {first} and on, of {len(numbers)} documents: numbers {named}"
            f"{' and more' if len(numbers) > NAMED else ''} of the corpus."
        ) from error
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
        }
    )
    discard_elastic(folder)


def loop_config(config: ParallelConfig, num_steps: int) -> LoopConfig:
    """The loop's settings; the learning rate itself comes from the schedule."""
    return LoopConfig(
        num_steps=num_steps,
        learning_rate=config.schedule.learning_rate,
        weight_decay=config.weight_decay,
        beta2=config.beta2,
        max_grad_norm=config.max_grad_norm,
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
        "model": config.model.model_dump(),
        "seed": config.seed,
        "documents": digest.hexdigest(),
    }


if __name__ == "__main__":
    program_main(ParallelConfig, main_together)
