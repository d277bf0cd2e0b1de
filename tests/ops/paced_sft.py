"""SFT whose first start takes its time, so that a time limit meets it midway; what it computes is SFT's."""

import time

from alignment.programs import SftConfig
from alignment.training import sft
from pretrain.run import CHECKPOINTS, RunFolder, program_main

STEP_SECONDS = 1.0


class PacedFolder(RunFolder):
    """A run folder that takes its time over each step's metrics."""

    def metrics(self, step: int, **values: float | int | str | None) -> None:
        """Wait, then append the row."""
        time.sleep(STEP_SECONDS)
        super().metrics(step, **values)


def run(config: SftConfig, folder: RunFolder) -> None:
    """SFT; at its own pace where it goes on from a checkpoint."""
    is_first = not list(folder.path.glob(CHECKPOINTS))
    sft.run(config, PacedFolder(folder.path) if is_first else folder)


if __name__ == "__main__":
    program_main(SftConfig, run)
