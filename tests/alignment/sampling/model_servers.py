"""Real model servers for tests, each in a process of its own."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alignment.programs import ServeConfig
from alignment.serving import server_ready
from pretrain.run import RunFolder
from tests.alignment.sampling.conftest import ENGINE

REPOSITORY = Path(__file__).resolve().parents[3]
START_SECONDS = 600


@contextmanager
def model_server(checkpoint: Path, path: Path) -> Iterator[str]:
    """The base URL of a server that holds the checkpoint under the name "policy", with its run folder at
    `path`."""
    folder = RunFolder(path)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder.write_config(ServeConfig(checkpoint=checkpoint, served_name="policy", port=port, engine=ENGINE))
    with (folder.path / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "alignment.sampling.serve", str(folder.config_path)],
            cwd=REPOSITORY,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    base_url = f"http://127.0.0.1:{port}"
    try:
        give_up = time.monotonic() + START_SECONDS
        while not server_ready(base_url):
            assert process.poll() is None, (folder.path / "log.txt").read_text()[-3000:]
            assert time.monotonic() < give_up, (folder.path / "log.txt").read_text()[-3000:]
            time.sleep(0.2)
        yield base_url
    finally:
        stop(process)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a server; one that is still starting does not listen to a polite word."""
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
