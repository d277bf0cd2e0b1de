"""A program that goes slowly, shows what it does, and goes on where an earlier, killed attempt was."""

import time

from pretrain.run import ProgramConfig, ProgramError, RunFolder, program_main


class WalkConfig(ProgramConfig):
    """How far, how fast, and whether it gets there."""

    steps: int
    seconds_per_step: float
    refuse_at: int | None = None


def run(config: WalkConfig, folder: RunFolder) -> None:
    """Walk."""
    told = [int(row["done"]) for row in folder.read_metrics("progress")]
    for step in range(max(told, default=0) + 1, config.steps + 1):
        time.sleep(config.seconds_per_step)
        if step == config.refuse_at:
            raise ProgramError("The shoes are too small: take larger ones.")
        folder.metrics(step, loss=1.0 / step)
        folder.progress(step, config.steps, "steps")
        if step == 3:
            folder.sample("How far is it?", "Not far any more.", reward=0.5)
    folder.finish({"num_tokens": 7})


if __name__ == "__main__":
    program_main(WalkConfig, run)
