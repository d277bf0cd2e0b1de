"""The check of a checkpoint folder that needs no torch: for imports and for the start of every program.

Comes in: a path. Goes out: nothing, or a ProgramError with one sentence that says what is wrong and what
to do. Weights are not read, only the headers of their files.
"""

import json
from pathlib import Path
from typing import Any

from pretrain.encoders import encoder_for
from pretrain.foreign_dialog import TemplateEncoder
from pretrain.run import ProgramError

MAX_HEADER_BYTES = 100_000_000


def check_checkpoint_folder(path: Path) -> None:
    """Raise ProgramError unless `path` is a Hugging Face causal LM whose dialogs can be encoded."""
    path = Path(path)
    if not path.is_dir():
        raise ProgramError(f"There is no folder {path}: give the path of a Hugging Face model folder.")
    config = read_object(path / "config.json")
    architectures = config.get("architectures") or []
    if not any(str(name).endswith("ForCausalLM") for name in architectures):
        raise ProgramError(
            f"{path} is no causal language model (its config.json says {architectures}): give another folder."
        )
    encoder = encoder_for(path)
    if isinstance(encoder, TemplateEncoder):
        encoder.check(path)
    num_tokens = encoder.vocabulary_size
    if int(config.get("vocab_size", num_tokens)) < num_tokens:
        raise ProgramError(
            f"The tokenizer in {path} has {num_tokens} tokens but the model only {config['vocab_size']}: "
            "resize the model's embeddings or use its own tokenizer."
        )
    check_weights(path)


def check_weights(path: Path) -> None:
    """Raise ProgramError unless every safetensors file of the folder is as long as its header says."""
    index = path / "model.safetensors.index.json"
    names = set(read_object(index)["weight_map"].values()) if index.is_file() else {"model.safetensors"}
    for name in sorted(map(str, names)):
        if Path(name).name != name:
            raise ProgramError(
                f"{index} names {name!r}, which is no file of its folder: copy the model again."
            )
        file = path / name
        if not file.is_file():
            raise ProgramError(f"{path} lacks {name}: save the model with safetensors.")
        if file.stat().st_size != expected_size(file):
            raise ProgramError(f"{file} is cut short or damaged: copy the model again.")


def expected_size(file: Path) -> int:
    """Bytes that a safetensors file must have by its own header; -1 when there is no header to read."""
    with file.open("rb") as content:
        length = int.from_bytes(content.read(8), "little")
        if not 2 <= length <= MAX_HEADER_BYTES:
            return -1
        try:
            header = json.loads(content.read(length))
        except ValueError:
            return -1
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    return 8 + length + max(ends, default=0)


def read_object(path: Path) -> dict[str, Any]:  # Any: JSON
    """The JSON object of a file. Raises ProgramError when it is missing or no object."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ProgramError(f"There is no {path}: give the path of a Hugging Face model folder.") from error
    except ValueError as error:
        raise ProgramError(f"{path} is no JSON: copy the model again.") from error
    if not isinstance(value, dict):
        raise ProgramError(f"{path} holds no JSON object: copy the model again.")
    return value
