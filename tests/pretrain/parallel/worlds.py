"""Worlds of real processes for tests of meshes: forked from a server that has imported everything once."""

import multiprocessing
import os
import random
import socket
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
import torch.distributed.checkpoint as dcp
import torch.multiprocessing
from torch import Tensor, nn
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaForCausalLM

from pretrain.loop import LoopConfig, make_optimizer, train_with
from pretrain.parallel.elastic import ElasticStore, elastic_checkpoints, load_alone, standing
from pretrain.parallel.engine import MeshEngine
from pretrain.parallel.mesh import make_mesh
from pretrain.parallel.plan import ParallelPlan
from pretrain.parallel.schedule import Phase, Reading, TokenSchedule
from pretrain.processes import is_first
from pretrain.run import Onlooker, RunFolder
from pretrain.stream import Rows, TokenStream

NUM_ROWS, LENGTH = 8, 32
TOKENS = NUM_ROWS * LENGTH
"""Of a step."""
EVALUATED_AFTER = 3
"""So many steps a mesh looks at its loss of rows that it has not learned from."""
VOCABULARY = 64


def start_world(num: int, function: Callable[..., None], *arguments: object) -> None:
    """Call `function(*arguments)` in `num` processes, as torch's launcher would have started them.

    Raises what the first of them raised, or that it was killed.
    """
    multiprocessing.get_context("forkserver").set_forkserver_preload([__name__])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.start_processes(
        _be_one_of, (num, port, function, arguments), nprocs=num, start_method="forkserver"
    )


def _be_one_of(
    rank: int, num: int, port: int, function: Callable[..., None], arguments: tuple[object, ...]
) -> None:
    os.environ |= {
        "TORCHELASTIC_RUN_ID": "test",
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(num),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    function(*arguments)


def whole_model(num_layers: int = 2) -> nn.Module:
    """Four heads that share two of keys and values, weights always alike."""
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            intermediate_size=96,
            num_hidden_layers=num_layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
            tie_word_embeddings=False,
            pad_token_id=2,
        )
    )


def num_layers(plan: ParallelPlan) -> int:
    """Of the model that is trained on a mesh: a layer a stage is enough, and two are one's least."""
    return max(2, plan.num_stages)


def documents(count: int = 60) -> list[list[int]]:
    """Several to a row, some cut by the end of one."""
    rng = random.Random(1)
    return [[rng.randrange(3, VOCABULARY) for _ in range(rng.randrange(3, 40))] for _ in range(count)]


def stream() -> TokenStream:
    """Those documents, in an order of their own each epoch."""
    return TokenStream(documents(), seed=7)


def held_out() -> Rows:
    """Rows of the shape of a step, from far behind those that are learned."""
    return stream().rows(100 * TOKENS, NUM_ROWS, LENGTH)


def loop_config(num_steps: int, checkpoint_seconds: float = 1e9) -> LoopConfig:
    """With weight decay and a gradient norm that is clipped."""
    return LoopConfig(
        num_steps=num_steps,
        learning_rate=3e-3,
        weight_decay=0.1,
        max_grad_norm=0.5,
        log_every=1,
        checkpoint_seconds=checkpoint_seconds,
    )


def steps_of(num_steps: int, num_rows: int = NUM_ROWS) -> TokenSchedule:
    """A schedule of so many steps of the usual size, in batches of `num_rows`."""
    phase = Phase(from_tokens=0, num_rows=num_rows, sequence_length=LENGTH)
    return TokenSchedule(num_tokens=num_steps * TOKENS, phases=(phase,), learning_rate=3e-3)


def train_on(
    plan: ParallelPlan,
    path: Path,
    schedule: TokenSchedule,
    after_step: Callable[[int], None] | None = None,
    checkpoint_seconds: float = 1e9,
) -> None:
    """Train in the processes of this world, going on from the folder's checkpoint."""
    folder = RunFolder(path) if is_first() else Onlooker(path)
    found = standing(folder)
    reading = Reading(schedule, found.step, found.num_tokens)
    data = stream()
    engine = MeshEngine(
        whole_model(num_layers(plan)),
        make_mesh(plan),
        ElasticStore(folder, reading.tokens_before, {"seed": 7}),
    )

    def evaluate(num_done: int) -> None:
        if num_done == EVALUATED_AFTER:
            folder.metrics(num_done, evaluation_loss=engine.mean_loss(held_out(), loop_config(1)))

    train_with(
        engine,
        batch_at=lambda step: data.rows(
            reading.tokens_before(step),
            reading.phase_at(step).num_rows,
            reading.phase_at(step).sequence_length,
        ),
        config=loop_config(reading.num_steps, checkpoint_seconds),
        folder=folder,
        learning_rate_at=reading.learning_rate_at,
        after_step=after_step or evaluate,
    )


def save_again(plan: ParallelPlan, found: Path, path: Path) -> None:
    """Load the checkpoint of `found` on another mesh and save it from there to `path`."""
    folders = (RunFolder(found), RunFolder(path))
    before, after = (ElasticStore(folder, lambda step: step * TOKENS, {"seed": 7}) for folder in folders)
    engine = MeshEngine(whole_model(num_layers(plan)), make_mesh(plan), before)
    optimizer = make_optimizer(engine.model, loop_config(1))
    state = engine.load(optimizer, loop_config(1))
    assert state.step
    after.save(dict(engine.named_weights()), optimizer, state, loop_config(1))
    after.finish()


def tensors_in(path: Path) -> dict[str, Tensor]:
    """Everything that a folder's newest checkpoint holds, whole."""
    checkpoint = elastic_checkpoints(RunFolder(path))[0]
    metadata = dcp.FileSystemReader(checkpoint).read_metadata().state_dict_metadata
    tensors = {name: torch.empty(found.size) for name, found in metadata.items()}
    load_alone(tensors, checkpoint)
    return tensors


def losses_in(path: Path) -> list[float]:
    """The loss of each step, from the run folder."""
    return [row["loss"] for row in RunFolder(path).read_metrics("metrics")]


def evaluation_losses_in(path: Path) -> list[float]:
    """What the looks in between told."""
    rows = RunFolder(path).read_metrics("metrics")
    return [row["evaluation_loss"] for row in rows if "evaluation_loss" in row]
