"""How many parameters a checkpoint folder's model has, from the headers of its files. Pure, no torch."""

import json
import math
from functools import lru_cache
from pathlib import Path

LENGTH_BYTES = 8
MOST_HEADER = 100_000_000


def num_parameters(folder: Path) -> int | None:
    """Of all `*.safetensors` in the folder; None where there are none or they cannot be read.

    Of pickled weights (`*.bin`), which have no header, as many as four bytes each would be.
    """
    found = sorted(folder.glob("*.safetensors"))
    if found:
        return _counted(tuple((path, path.stat().st_mtime_ns) for path in found))
    return sum(path.stat().st_size for path in folder.glob("*.bin")) // 4 or None


@lru_cache(maxsize=256)
def _counted(files: tuple[tuple[Path, int], ...]) -> int | None:
    try:
        return sum(_in_file(path) for path, _ in files)
    except (OSError, ValueError, KeyError):
        return None


def _in_file(path: Path) -> int:
    """Numbers in one file: eight bytes of length, then a JSON header with each tensor's shape."""
    with path.open("rb") as data:
        length = int.from_bytes(data.read(LENGTH_BYTES), "little")
        if length > MOST_HEADER:
            raise ValueError(f"{path.name} has no header")
        header = json.loads(data.read(length))
    return sum(math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__")
