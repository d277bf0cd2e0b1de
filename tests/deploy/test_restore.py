"""A backup put back as the local stack's own data."""

import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django.fixtures import Settings

from accord.env import REPOSITORY
from accounts.services import user_create
from deploy.local.state import lock_take

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_backup_becomes_the_data_of_a_local_stack(
    tmp_path: Path, settings: Settings, process_environment: dict[str, str]
) -> None:
    settings.ACCORD_VAR = tmp_path / "old"
    (tmp_path / "old" / "runs").mkdir(parents=True)
    (tmp_path / "old" / "secret_key").write_text("the key\n")
    user_create(username="ann")
    out = str(tmp_path / "backups")
    call_command("backup", out)
    var = tmp_path / "new"
    paths = f"{REPOSITORY / 'platform'}:{REPOSITORY}"
    environment = {**process_environment, "ACCORD_VAR": str(var), "PYTHONPATH": paths}

    def restore() -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "deploy.local.restore", out],
            cwd=REPOSITORY,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    done = restore()
    assert done.returncode == 0, done.stderr
    assert "rounds go on" in done.stdout
    assert (var / "secret_key").read_text() == "the key\n"
    assert not (var / "postgres" / "postmaster.pid").exists()
    assert "is not empty" in restore().stderr or "tables already" in restore().stderr
    lock = lock_take(var)
    assert lock is not None
    assert "is running" in restore().stderr
