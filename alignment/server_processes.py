"""Processes of model servers: starts one, and ends those that a killed predecessor left behind.

A server's folder under `runs/servers` has its configuration and log. One process on a machine owns all of
them: a lock on that folder keeps a second one away.
"""

import fcntl
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import psutil
from django.conf import settings

from accounts.errors import Conflict
from alignment.program_process import ProgramProcess, process_start
from alignment.programs import EngineConfig, ServeConfig
from pretrain.run import RunFolder

SERVER_MODULE = "alignment.sampling.serve"
GRACE_SECONDS = 10.0


@dataclass(kw_only=True)
class ServerProcess:
    """A started server."""

    base_url: str
    served_name: str
    log: Path
    process: ProgramProcess

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self.process.running

    def stop(self) -> None:
        """End it and its children."""
        if self.running:
            self.process.stop()


def servers_folder() -> Path:
    """Where the folders of all servers lie."""
    folder: Path = settings.ACCORD_RUNS / "servers"
    return folder


def servers_own() -> TextIO:
    """Own the servers of this machine for as long as the returned file is open, and end those left over.

    Raises Conflict where another process owns them.
    """
    servers_folder().mkdir(parents=True, exist_ok=True)
    owned = (servers_folder() / "owner.lock").open("w")
    try:
        fcntl.flock(owned, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owned.close()
        raise Conflict("Another serve_deployments runs on this machine: stop it first.") from error
    _end_left_over()
    return owned


def server_start(
    folder_name: str,
    *,
    checkpoint: Path,
    served_name: str,
    engine: EngineConfig,
    module: str = SERVER_MODULE,
) -> ServerProcess:
    """Start a server of `checkpoint` on a free port; it is not up yet when this comes back."""
    port = _free_port()
    folder = RunFolder(servers_folder() / folder_name)
    folder.write_config(ServeConfig(checkpoint=checkpoint, served_name=served_name, port=port, engine=engine))
    process = process_start(
        [sys.executable, "-m", module, str(folder.config_path)],
        log=folder.path / "log.txt",
        environment=settings.ACCORD_PROGRAM_ENVIRONMENT(num_threads=engine.num_threads),
    )
    return ServerProcess(
        base_url=f"http://127.0.0.1:{port}",
        served_name=served_name,
        log=folder.path / "log.txt",
        process=process,
    )


def _end_left_over() -> None:
    """Kill servers whose owner was killed: their weights may be half exchanged, and they hold memory."""
    root = f"{servers_folder()}/"
    left = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(part.startswith(root) for part in process.info["cmdline"] or [])
    ]
    family = [*left]
    for process in left:
        try:
            family += process.children(recursive=True)
        except psutil.NoSuchProcess:
            continue
    for process in family:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=GRACE_SECONDS)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
