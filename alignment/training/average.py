"""Model averaging: `python -m alignment.training.average run.json` (alignment.programs.AverageConfig).

Comes in: checkpoint folders of one shape, with weights that sum to 1. Goes out: a checkpoint folder with
their mean in fp32. Tensors are read, averaged and written one at a time, so memory holds one of them.
"""

import json
import math
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Self

import torch
from safetensors import safe_open
from torch import Tensor

from alignment.programs import AverageConfig
from pretrain.checkpoint_check import check_weights, read_object
from pretrain.dialog import DialogEncoder
from pretrain.run import ProgramError, RunFolder, program_main
from pretrain.whole_folder import whole_folder

COPIED = ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json")
NO_PART_OF_THE_MODEL = {"_name_or_path", "dtype", "torch_dtype", "transformers_version"}
"""Fields of config.json in which checkpoints to be averaged may differ."""
ALIGNMENT_BYTES = 8
BYTES_PER_WEIGHT = 4


class CheckpointWeights:
    """The tensors of a checkpoint folder, read one at a time."""

    def __init__(self, folder: Path) -> None:
        check_weights(folder)
        index = folder / "model.safetensors.index.json"
        names = set(read_object(index)["weight_map"].values()) if index.is_file() else {"model.safetensors"}
        self._stack = ExitStack()
        self._file_of: dict[str, Any] = {}  # Any: safetensors has no types
        for name in sorted(names):
            file = self._stack.enter_context(safe_open(folder / name, framework="pt"))
            self._file_of |= dict.fromkeys(file.keys(), file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Each tensor's shape by name."""
        return {name: tuple(file.get_slice(name).get_shape()) for name, file in self._file_of.items()}

    def tensor(self, name: str) -> Tensor:
        """Read one tensor."""
        found: Tensor = self._file_of[name].get_tensor(name)
        return found


def run(config: AverageConfig, folder: RunFolder) -> None:
    """Check, average, write, report."""
    torch.set_num_threads(1)
    check_alike(config.checkpoints)
    weights = checked_weights(config)
    with ExitStack() as stack:
        checkpoints = [stack.enter_context(CheckpointWeights(path)) for path in config.checkpoints]
        shapes = checkpoints[0].shapes
        for path, checkpoint in zip(config.checkpoints, checkpoints, strict=True):
            check_shapes(config.checkpoints[0], shapes, path, checkpoint.shapes)
        with whole_folder(config.out) as aside:
            for name in COPIED:
                if (config.checkpoints[0] / name).is_file():
                    shutil.copyfile(config.checkpoints[0] / name, aside / name)
            state_full_precision(aside)
            with (aside / "model.safetensors").open("wb") as out:
                write_tensors(out, shapes, means(checkpoints, weights, list(shapes), folder))
            if is_causal_lm(aside):
                write_new_canary(aside)
    folder.finish({"num_checkpoints": len(checkpoints), "num_tensors": len(shapes)})


def check_alike(paths: Sequence[Path]) -> None:
    """Raise ProgramError unless all folders hold the same kind of model with the same tokenizer."""
    for path in paths:
        DialogEncoder.from_folder(path)
    first = paths[0]
    first_config = model_config(first)
    for path in paths[1:]:
        config = model_config(path)
        if config != first_config:
            names = {*config, *first_config}
            differing = sorted(name for name in names if config.get(name) != first_config.get(name))
            raise ProgramError(
                f"{path} and {first} differ in {', '.join(differing)}: average models of one shape only."
            )
        if (path / "tokenizer.json").read_bytes() != (first / "tokenizer.json").read_bytes():
            raise ProgramError(
                f"{path} and {first} have different tokenizers: average models of one base only."
            )


def check_shapes(
    first: Path, first_shapes: dict[str, tuple[int, ...]], path: Path, shapes: dict[str, tuple[int, ...]]
) -> None:
    """Raise ProgramError unless both checkpoints have the same tensors in the same shapes."""
    names = {*first_shapes, *shapes}
    differing = sorted(name for name in names if first_shapes.get(name) != shapes.get(name))
    if differing:
        raise ProgramError(
            f"{path} and {first} differ in the weight {differing[0]}: average models of one shape only."
        )


def checked_weights(config: AverageConfig) -> list[float]:
    """One weight for each checkpoint. Raises ProgramError unless they sum to 1."""
    num_checkpoints = len(config.checkpoints)
    if config.weights is None:
        return [1 / num_checkpoints] * num_checkpoints
    if len(config.weights) != num_checkpoints:
        raise ProgramError(
            f"There are {len(config.weights)} weights for {num_checkpoints} checkpoints: give one for each."
        )
    if not math.isclose(sum(config.weights), 1, abs_tol=1e-6):
        raise ProgramError(f"The weights sum to {sum(config.weights):.6g}: make them sum to 1.")
    return list(config.weights)


def means(
    checkpoints: Sequence[CheckpointWeights],
    weights: Sequence[float],
    names: Sequence[str],
    folder: RunFolder,
) -> Iterator[Tensor]:
    """The weighted mean of each tensor in fp32, summed in fp64 so that equal checkpoints stay as they are."""
    for done, name in enumerate(names, start=1):
        mean = checkpoints[0].tensor(name).double() * weights[0]
        for checkpoint, weight in zip(checkpoints[1:], weights[1:], strict=True):
            mean.add_(checkpoint.tensor(name).double(), alpha=weight)
        yield mean.float()
        folder.progress(done, len(names), "tensors")


def write_tensors(out: BinaryIO, shapes: dict[str, tuple[int, ...]], tensors: Iterator[Tensor]) -> None:
    """Write a safetensors file of fp32 tensors one by one, in the order of `shapes`.

    The format: the header's length in 8 bytes, the header as JSON padded with spaces, the tensors' bytes.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}  # Any: JSON
    offset = 0
    for name, shape in shapes.items():
        size = math.prod(shape) * BYTES_PER_WEIGHT
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    encoded = json.dumps(header).encode()
    encoded += b" " * (-len(encoded) % ALIGNMENT_BYTES)
    out.write(len(encoded).to_bytes(8, "little"))
    out.write(encoded)
    for tensor in tensors:
        out.write(tensor.contiguous().numpy().tobytes())


def state_full_precision(folder: Path) -> None:
    """Let config.json say that the weights are fp32, as they now are."""
    config = read_object(folder / "config.json")
    (folder / "config.json").write_text(
        json.dumps({**config, "dtype": "float32"}, indent=2), encoding="utf-8"
    )


def model_config(folder: Path) -> dict[str, Any]:  # Any: JSON
    """What config.json says of the model itself."""
    config = read_object(folder / "config.json")
    return {name: value for name, value in config.items() if name not in NO_PART_OF_THE_MODEL}


def is_causal_lm(folder: Path) -> bool:
    """Whether the folder's model continues text, by its config.json."""
    architectures = read_object(folder / "config.json").get("architectures") or []
    return any(str(name).endswith("ForCausalLM") for name in architectures)


def write_new_canary(folder: Path) -> None:
    """Write canary.json for the folder's weights."""
    # Here and not above: transformers takes longer to import than the rest of the program, and averaging
    # reward models needs nothing of it.
    from pretrain.checkpoint_folder import load_causal_lm, write_canary  # noqa: PLC0415

    write_canary(load_causal_lm(folder), DialogEncoder.from_folder(folder), folder)


if __name__ == "__main__":
    program_main(AverageConfig, run)
