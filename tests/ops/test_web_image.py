"""The web image's environment, made as the image makes it: small, without torch, and the site runs on it."""

import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from accord.env import REPOSITORY
from deploy.local.broker import free_port

pytestmark = [pytest.mark.ops, pytest.mark.django_db(transaction=True)]

MOST_MIB = 300
SECONDS = 120.0


def size_of(folder: Path) -> int:
    """MiB on disk."""
    told = subprocess.run(["du", "-sm", str(folder)], check=True, capture_output=True, text=True)
    return int(told.stdout.split()[0])


def test_the_site_runs_on_less_than_300_mib(
    process_environment: dict[str, str], broker: str, tmp_path: Path
) -> None:
    packages = tmp_path / "accord"
    subprocess.run([sys.executable, "-m", "venv", str(packages)], check=True)
    python = str(packages / "bin" / "python")
    install = [python, "-m", "pip", "install", "--quiet", "--no-compile", "--no-deps"]
    subprocess.run(
        [*install, "-r", "deploy/images/requirements-web.txt"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
    )
    (site,) = packages.glob("lib/python3*/site-packages")
    subprocess.run([python, "deploy/images/prune.py", str(site)], cwd=REPOSITORY, check=True)
    assert not list(site.glob("torch*")) and not list(site.glob("vllm*"))

    own = {**process_environment, "PYTHONPATH": "platform:."}
    # As the image does: what the site imports is compiled, and every task of its workers can be found.
    look = "import accord.asgi; from accord.celery import app; app.loader.import_default_modules()"
    subprocess.run([python, "-c", look], cwd=REPOSITORY, env=own, check=True)
    assert size_of(packages) < MOST_MIB

    port = free_port()
    command = [python, "-m", "deploy.production.web", "--listen", f"127.0.0.1:{port}", "--processes", "1"]
    with subprocess.Popen(command, cwd=REPOSITORY, env=own) as web:
        try:
            deadline = time.monotonic() + SECONDS
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10) as answer:
                        assert answer.status == 200
                    break
                except OSError:
                    assert web.poll() is None and time.monotonic() < deadline
                    time.sleep(0.1)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/login/", timeout=10) as answer:
                assert b"Accord" in answer.read()
        finally:
            web.terminate()
