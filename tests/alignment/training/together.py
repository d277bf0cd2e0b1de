"""Several real processes for tests: forked from a server that has imported torch and transformers once."""

import atexit
import multiprocessing
import os
import socket
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.multiprocessing

from alignment.programs import TrainingConfig
from alignment.training import dpo, reward, sft  # noqa: F401  # the server has them imported
from alignment.training.program import training_main
from pretrain.run import RunFolder

SERVER = "forkserver"
Run = Callable[[Any, RunFolder], None]
"""A program's `run`; Any: its configuration."""


def run_together(num: int, function: Callable[..., None], *arguments: object) -> None:
    """Call `function(*arguments)` in `num` processes, as torch's launcher would have started them.

    Raises what the first of them raised.
    """
    multiprocessing.get_context(SERVER).set_forkserver_preload([__name__])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torch.multiprocessing.start_processes(
        _be_one_of, (num, port, function, arguments), nprocs=num, start_method=SERVER
    )


def program_together(config: TrainingConfig, run: Run, folder: Path) -> list[int]:
    """Run a program in as many processes as its configuration says; the exit status of each."""
    run_folder = RunFolder(folder)
    run_folder.write_config(config)
    run_together(config.num_processes, _main, type(config), run, run_folder.config_path)
    return [int((folder / f"status-{rank}").read_text()) for rank in range(config.num_processes)]


def _be_one_of(
    rank: int, num: int, port: int, function: Callable[..., None], arguments: tuple[object, ...]
) -> None:
    os.environ |= {
        "TORCHELASTIC_RUN_ID": "test",
        "RANK": str(rank),
        "WORLD_SIZE": str(num),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    function(*arguments)


def _main(config_type: type[TrainingConfig], run: Run, config_path: Path) -> None:
    """The program's body, with its exit status in a file."""
    sys.argv = ["program", str(config_path)]
    status = config_path.parent / f"status-{os.environ['RANK']}"

    def succeeded() -> None:
        status.write_text("0")

    atexit.register(succeeded)  # a program that has succeeded leaves at once
    try:
        training_main(config_type, run)
    except SystemExit as stop:
        atexit.unregister(succeeded)
        status.write_text(str(stop.code))
