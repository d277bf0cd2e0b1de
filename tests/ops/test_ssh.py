"""Programs over hosts that are reached by a real ssh: they run together, and end with the connection."""

import getpass
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from alignment import running
from alignment.models import Program
from alignment.program_process import is_alive
from deploy.local.broker import free_port
from tests.alignment.factories import make_program
from tests.alignment.worker_threads import work
from tests.ops.slurm_cluster import wait_until

pytestmark = [pytest.mark.ops, pytest.mark.django_db(transaction=True)]


def make_key(path: Path) -> None:
    """A key pair without a password."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)


@pytest.fixture
def hosts(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Two names of this machine with a server of our own, chosen as hosts; Any: pytest-django's."""
    port = free_port()
    for name in ("host", "user"):
        make_key(tmp_path / name)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # the server wants it to be there
    (tmp_path / "sshd").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {tmp_path}/host\nAuthorizedKeysFile {tmp_path}/user.pub\n"
        "PidFile none\nAcceptEnv *\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        "PermitRootLogin yes\n"
    )
    (tmp_path / "ssh").write_text(
        f"Host *\nPort {port}\nHostName 127.0.0.1\nUser {getpass.getuser()}\nIdentityFile {tmp_path}/user\n"
        f"StrictHostKeyChecking accept-new\nUserKnownHostsFile {tmp_path}/known\nIdentitiesOnly yes\n"
        "SendEnv *\n"
    )
    path = tmp_path / "launcher.toml"
    shell = f'["ssh", "-F", "{tmp_path}/ssh", "-o", "BatchMode=yes", "{{host}}"]'
    path.write_text(f'[all]\nhosts = ["127.0.0.1", "localhost"]\nshell = {shell}\n')
    settings.ACCORD_LAUNCHER, settings.ACCORD_LAUNCHER_OPTIONS = "torchrun", path
    monkeypatch.setattr(running, "GRACE_SECONDS", 4.0)
    program = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin")
    assert program is not None
    with (tmp_path / "sshd.txt").open("wb") as log:
        server = subprocess.Popen([program, "-D", "-e", "-f", str(tmp_path / "sshd")], stderr=log)
    try:
        check = ["ssh", "-F", str(tmp_path / "ssh"), "-o", "BatchMode=yes", "localhost", "true"]
        wait_until(lambda: subprocess.run(check, capture_output=True, check=False).returncode == 0)
        yield
    finally:
        server.terminate()
        server.wait()


def started(folder: Path) -> list[psutil.Process]:
    """Both processes."""
    path = folder / "starts.txt"
    wait_until(lambda: path.exists() and len(path.read_text().split()) == 2)
    return [psutil.Process(int(pid)) for pid in path.read_text().split()]


def test_a_program_runs_on_all_hosts(hosts: None, tmp_path: Path) -> None:
    program = make_program(tmp_path / "run", "wait", num_processes=2)
    worker = work(program)
    started(tmp_path / "run")
    (tmp_path / "run" / "go").touch()
    worker.join(60)
    program.refresh_from_db()
    assert (program.state, program.error) == (Program.State.FINISHED, "")


def test_a_lost_connection_ends_the_program_everywhere(hosts: None, tmp_path: Path) -> None:
    program = make_program(tmp_path / "run", "wait", num_processes=2)
    worker = work(program)
    processes = started(tmp_path / "run")
    clients = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(tmp_path / "ssh") in (process.info["cmdline"] or []) and process.name() == "ssh"
    ]
    assert len(clients) == 2
    clients[1].kill()
    worker.join(60)
    assert not worker.is_alive()
    program.refresh_from_db()
    assert program.state == Program.State.PENDING, program.error
    wait_until(lambda: not any(map(is_alive, processes)))
