"""Model averaging: `python -m alignment.training.average run.json` (alignment.programs.AverageConfig).

Comes in: checkpoint folders of one shape, with weights that sum to 1. Goes out: a checkpoint folder with
their average in fp32, by the method that the config names. Tensors are read, merged and written one at a
time, so memory holds one of each checkpoint at most; a greedy soup also loads each model that it measures.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from alignment.programs import AverageConfig, EmaMethod, SlerpMethod, TiesMethod
from alignment.training.checkpoint_weights import (
    CheckpointWeights,
    check_alike,
    check_one_tokenizer,
    check_shapes,
    model_config,
    write_checkpoint,
)
from alignment.training.merging import moving_average, slerp_all, ties, weighted_mean
from pretrain.checkpoint_check import read_object
from pretrain.encoders import encoder_for
from pretrain.run import ProgramError, RunFolder, program_main
from pretrain.whole_folder import whole_folder

REWARD_HEAD = "score.weight"
CAUSAL_HEAD = "lm_head.weight"
EMBEDDINGS = "model.embed_tokens.weight"

Merge = Callable[[str], Tensor]
"""The merged tensor of a name."""


def run(config: AverageConfig, folder: RunFolder) -> None:
    """Check, average, write, report."""
    torch.set_num_threads(config.num_threads)
    weights = checked_weights(config)
    with ExitStack() as stack:
        checkpoints = open_alike(config.checkpoints, stack)
        write_new_canary = canary_writer() if is_causal_lm(checkpoints[0].folder) else None
        shapes = checkpoints[0].shapes
        found: dict[str, Any] = {}  # Any: the soup's figures
        if config.method.name == "greedy_soup":
            found = soup_of(config, checkpoints)
            checkpoints = [checkpoints[member] for member in found["kept"]]
            weights = uniform(len(checkpoints))
        merge = merge_by(config, checkpoints, weights, stack)

        def merged(done: int, name: str) -> Tensor:
            tensor = merge(name)
            folder.progress(done, len(shapes), "tensors")
            return tensor

        with whole_folder(config.out) as aside:
            tensors = (merged(done, name) for done, name in enumerate(shapes, start=1))
            write_checkpoint(aside, checkpoints[0], tensors)
            if write_new_canary is not None:
                write_new_canary(aside)
    folder.finish({"num_checkpoints": len(config.checkpoints), "num_tensors": len(shapes), **found})


def open_alike(paths: Sequence[Path], stack: ExitStack) -> list[CheckpointWeights]:
    """The checkpoints' tensors. Raises ProgramError unless they are models of one kind and shape."""
    check_alike(paths)
    first, *others = [stack.enter_context(CheckpointWeights(path)) for path in paths]
    for other in others:
        check_shapes(first.folder, first.shapes, other.folder, other.shapes)
    return [first, *others]


def checked_weights(config: AverageConfig) -> list[float]:
    """One weight for each checkpoint. Raises ProgramError unless they sum to 1."""
    num_checkpoints = len(config.checkpoints)
    if config.weights is None:
        return uniform(num_checkpoints)
    if len(config.weights) != num_checkpoints:
        raise ProgramError(
            f"There are {len(config.weights)} weights for {num_checkpoints} checkpoints: give one for each."
        )
    if not math.isclose(sum(config.weights), 1, abs_tol=1e-6):
        raise ProgramError(f"The weights sum to {sum(config.weights):.6g}: make them sum to 1.")
    return list(config.weights)


def uniform(num_checkpoints: int) -> list[float]:
    """Equal weights that sum to 1."""
    return [1 / num_checkpoints] * num_checkpoints


def merge_by(
    config: AverageConfig,
    checkpoints: Sequence[CheckpointWeights],
    weights: Sequence[float],
    stack: ExitStack,
) -> Merge:
    """How the config's method makes a tensor of the checkpoints'. Raises ProgramError for other models."""

    def mean(name: str) -> Tensor:
        return weighted_mean((checkpoint.tensor(name) for checkpoint in checkpoints), weights)

    match config.method:
        case SlerpMethod():
            return lambda name: slerp_all((checkpoint.tensor(name) for checkpoint in checkpoints), weights)
        case TiesMethod(density=density, scale=scale):
            assert config.initial is not None, config
            start = initial_tensors(config.initial, checkpoints[0], stack)
            return lambda name: ties(
                start(name),
                [checkpoint.tensor(name) for checkpoint in checkpoints],
                weights,
                density=density,
                scale=scale,
            )
        case EmaMethod(decay=decay) if config.previous is not None:
            previous = open_alike([checkpoints[0].folder, config.previous], stack)[1]
            return lambda name: moving_average(previous.tensor(name), mean(name), decay)
    return mean


def initial_tensors(path: Path, trained: CheckpointWeights, stack: ExitStack) -> Merge:
    """The tensors from which `trained` started in the checkpoint at `path`.

    A reward model's head started at zero, and a head that was tied started as the embeddings. Raises
    ProgramError where the shapes or the tokenizer are others.
    """
    check_one_tokenizer(path, trained.folder)
    initial = stack.enter_context(CheckpointWeights(path))
    source = {name: name for name in initial.shapes}
    if CAUSAL_HEAD not in source and model_config(path).get("tie_word_embeddings"):
        source[CAUSAL_HEAD] = EMBEDDINGS
    shapes = {name: shape for name, shape in trained.shapes.items() if name != REWARD_HEAD}
    check_shapes(
        path,
        {name: initial.shapes[source[name]] for name in shapes if name in source},
        trained.folder,
        shapes,
    )

    def tensor(name: str) -> Tensor:
        return torch.zeros(trained.shapes[name]) if name == REWARD_HEAD else initial.tensor(source[name])

    return tensor


def soup_of(
    config: AverageConfig, checkpoints: Sequence[CheckpointWeights]
) -> dict[str, Any]:  # Any: figures, written as JSON
    """The members of the greedy soup and how they were found."""
    # Here and not above: transformers takes longer to import than the rest of the program.
    from alignment.training.soup import soup_members  # noqa: PLC0415

    return soup_members(config, checkpoints)


def is_causal_lm(folder: Path) -> bool:
    """Whether the folder's model continues text, by its config.json."""
    architectures = read_object(folder / "config.json").get("architectures") or []
    return any(str(name).endswith("ForCausalLM") for name in architectures)


def canary_writer() -> Callable[[Path], None]:
    """A function that writes canary.json for the weights of a folder."""
    # Here and not above, for the same reason: averaging reward models needs nothing of it.
    from pretrain.checkpoint_folder import load_causal_lm, write_canary  # noqa: PLC0415

    return lambda folder: write_canary(load_causal_lm(folder), encoder_for(folder), folder)


if __name__ == "__main__":
    program_main(AverageConfig, run)
