"""Every command that a file of deploy/ starts, started for real, comes up and goes when it is told to."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from accord.env import REPOSITORY
from deploy.production.commands import CLOCK, DEPLOYMENTS, MIGRATE, STATIC, WORKER, WORKER_OPTIONS

pytestmark = [pytest.mark.ops, pytest.mark.django_db(transaction=True)]

SECONDS = 60.0
BIN = Path(sys.executable).parent


def resolved(command: tuple[str, ...]) -> list[str]:
    return [str(BIN / command[0]), *command[1:]]


@pytest.mark.parametrize(
    ("command", "options", "ready"),
    [
        (
            WORKER,
            (*WORKER_OPTIONS, "--queues", "default", "--concurrency", "2", "--loglevel", "INFO"),
            "ready.",
        ),
        (CLOCK, ("--schedule", "{folder}/beat", "--pidfile=", "--loglevel", "INFO"), "is starting"),
        (DEPLOYMENTS, (), ""),
    ],
    ids=["worker", "clock", "deployments"],
)
def test_a_service_comes_up_and_goes(
    command: tuple[str, ...],
    options: tuple[str, ...],
    ready: str,
    process_environment: dict[str, str],
    broker: str,
    tmp_path: Path,
) -> None:
    log = tmp_path / "log"
    whole = [*resolved(command), *(option.format(folder=tmp_path) for option in options)]
    with log.open("w") as out:
        process = subprocess.Popen(
            whole,
            cwd=REPOSITORY,
            env={**process_environment, "LOG_FORMAT": "json"},
            stdout=out,
            stderr=out,
        )
        try:
            deadline = time.monotonic() + SECONDS
            while ready and ready not in log.read_text():
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.1)
            if not ready:
                time.sleep(3)
                assert process.poll() is None, log.read_text()
            process.send_signal(signal.SIGTERM)
            assert process.wait(SECONDS) in (0, -signal.SIGTERM), log.read_text()
        finally:
            process.kill()
            process.wait(SECONDS)
    assert "Traceback" not in log.read_text()


@pytest.mark.parametrize("command", [MIGRATE, STATIC], ids=["migrate", "static"])
def test_what_is_done_once_is_done(command: tuple[str, ...], process_environment: dict[str, str]) -> None:
    subprocess.run(
        resolved(command), cwd=REPOSITORY, env=process_environment, check=True, capture_output=True
    )


def test_a_deployment_s_settings_are_silent_under_django_s_checks(
    process_environment: dict[str, str],
) -> None:
    told = {
        **process_environment,
        "ALLOWED_HOSTS": "accord.example",
        "TRUSTED_ORIGINS": "https://accord.example",
        "HTTPS": "1",
    }
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "INFO"]
    done = subprocess.run(command, cwd=REPOSITORY, env=told, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "(0 silenced)" in done.stdout + done.stderr
