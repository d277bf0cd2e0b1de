"""Checkpoint folders as streams of tensors: read one at a time, compared, written one at a time.

Comes in: checkpoint folders. Goes out: their tensors, a ProgramError where they are not models of one kind,
a safetensors file of fp32.
"""

import json
import math
import shutil
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Self

from safetensors import safe_open
from torch import Tensor

from pretrain.checkpoint_check import check_weights, read_object
from pretrain.encoders import encoder_for
from pretrain.run import ProgramError

NO_PART_OF_THE_MODEL = {"_name_or_path", "dtype", "torch_dtype", "transformers_version"}
"""Fields of config.json in which checkpoints to be averaged may differ."""
COPIED = ("config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json")
"""What an average has from its first member."""
ALIGNMENT_BYTES = 8
BYTES_PER_WEIGHT = 4


class CheckpointWeights:
    """The tensors of a checkpoint folder, read one at a time."""

    def __init__(self, folder: Path) -> None:
        check_weights(folder)
        index = folder / "model.safetensors.index.json"
        names = set(read_object(index)["weight_map"].values()) if index.is_file() else {"model.safetensors"}
        self.folder = folder
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


def check_alike(paths: Sequence[Path]) -> None:
    """Raise ProgramError unless all folders hold the same kind of model with the same tokenizer."""
    for path in paths:
        encoder_for(path)
    first = paths[0]
    first_config = model_config(first)
    for path in paths[1:]:
        config = model_config(path)
        if config != first_config:
            raise ProgramError(_difference(path, config, first, first_config))
        check_one_tokenizer(path, first)


def check_one_tokenizer(path: Path, first: Path) -> None:
    """Raise ProgramError unless both folders hold the same tokenizer."""
    if (path / "tokenizer.json").read_bytes() != (first / "tokenizer.json").read_bytes():
        raise ProgramError(f"{path} and {first} have different tokenizers: average models of one base only.")


def _difference(path: Path, config: dict[str, Any], first: Path, first_config: dict[str, Any]) -> str:
    """Why two models cannot be averaged, as a sentence."""
    names = {*config, *first_config}
    differing = sorted(name for name in names if config.get(name) != first_config.get(name))
    if differing == ["tie_word_embeddings"]:
        tied, free = (path, first) if config.get("tie_word_embeddings") else (first, path)
        return f"{tied} ties its embeddings to its head and {free} does not: untie them before averaging."
    return f"{path} and {first} differ in {', '.join(differing)}: average models of one shape only."


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


def write_checkpoint(out: Path, like: CheckpointWeights, tensors: Iterable[Tensor]) -> None:
    """Fill the folder `out` with a model like `like`, of `tensors` in fp32 in the order of its shapes."""
    for name in COPIED:
        if (like.folder / name).is_file():
            shutil.copyfile(like.folder / name, out / name)
    config = {**read_object(out / "config.json"), "dtype": "float32"}
    (out / "config.json").write_text(json.dumps(config, indent=2), encoding="utf-8")
    with (out / "model.safetensors").open("wb") as file:
        write_tensors(file, like.shapes, tensors)


def write_tensors(out: BinaryIO, shapes: dict[str, tuple[int, ...]], tensors: Iterable[Tensor]) -> None:
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


def model_config(folder: Path) -> dict[str, Any]:  # Any: JSON
    """What config.json says of the model itself."""
    config = read_object(folder / "config.json")
    return {name: value for name, value in config.items() if name not in NO_PART_OF_THE_MODEL}
