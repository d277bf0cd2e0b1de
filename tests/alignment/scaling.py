"""A program that reads numbers and writes them multiplied, for tests of what is computed again."""

import json
from pathlib import Path
from typing import Annotated

from alignment.programs.parts import OutputPath, Part
from pretrain.run import ProgramConfig, ProgramError, RunFolder, program_main


class ScalingConfig(ProgramConfig):
    """What is multiplied with what."""

    data: tuple[Path, ...]
    """JSON numbers, added up."""
    factor: float
    broken: Annotated[bool, Part.NEUTRAL] = False
    out: OutputPath
    """A folder, as checkpoints are."""


def run(config: ScalingConfig, folder: RunFolder) -> None:
    """Multiply."""
    if config.broken:
        raise ProgramError("The disk is full.")
    total = sum(float(json.loads(path.read_text())) for path in config.data)
    config.out.mkdir()
    (config.out / "number.json").write_text(json.dumps(total * config.factor))
    folder.progress(1, 1, "numbers")
    folder.finish({"number": total * config.factor})


if __name__ == "__main__":
    program_main(ScalingConfig, run)
