"""Checkpoints go to the storage by themselves, and come to a machine whose program needs them."""

import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from alignment.artifacts import ArtifactError, checkpoint_fetch, checkpoints_push
from alignment.artifacts_sending import CLIENT, sender_start
from alignment.models import Program
from alignment.running import program_claim, program_run
from registry.artifact_store import ArtifactStore
from registry.content import folder_hash
from registry.models import Checkpoint
from registry.services import checkpoint_register
from tests.alignment.factories import make_program
from tests.alignment.worker_threads import wait_until
from tests.ops.swift_server import ACCESS_KEY, BUCKET, SECRET_KEY

pytestmark = [pytest.mark.ops, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def storage(swift: str, settings: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As a deployment would set it; Any: pytest-django's."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    monkeypatch.setenv("AWS_ENDPOINT_URL", swift)
    settings.ACCORD_ARTIFACTS = f"s3://{BUCKET}/{tmp_path.name}"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    folder = tmp_path / "checkpoints" / "base"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return checkpoint_register(name="base", kind=Checkpoint.Kind.BASE, path=folder, produced_by="a test")


def test_a_worker_sends_a_checkpoint_once_and_a_program_that_lacks_it_has_it_brought(
    checkpoint: Checkpoint, tmp_path: Path, settings: Any
) -> None:
    sender = sender_start(0.1)
    assert sender is not None
    wait_until(lambda: Checkpoint.objects.exclude(stored_at=None).exists())
    sender.over.set()
    sender.join()
    checkpoint.refresh_from_db()
    assert checkpoint.stored_at is not None
    assert ArtifactStore(settings.ACCORD_ARTIFACTS).has(checkpoint.content_hash)
    assert checkpoints_push() == 0
    path = Path(checkpoint.path)
    (path / "config.json").unlink()
    path.rmdir()
    # The program ends when it sees its model.
    program = make_program(tmp_path / "run", "finish", until=path)
    claimed = program_claim(program.pk, 1)
    assert claimed is not None
    program_run(claimed)
    program.refresh_from_db()
    assert (program.state, program.error) == (Program.State.FINISHED, "")
    assert folder_hash(path) == checkpoint.content_hash


def test_a_checkpoint_that_is_nowhere_fails_the_program_with_a_sentence(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    (Path(checkpoint.path) / "config.json").unlink()
    Path(checkpoint.path).rmdir()
    program = make_program(tmp_path / "run", "finish", until=Path(checkpoint.path))
    claimed = program_claim(program.pk, 1)
    assert claimed is not None
    program_run(claimed)
    program.refresh_from_db()
    assert program.state == Program.State.FAILED
    assert f"has no artifact {checkpoint.content_hash}: run `manage.py push_artifacts`" in program.error
    assert not (tmp_path / "run" / "starts.txt").exists()


def test_a_changed_checkpoint_is_not_sent_and_the_command_names_it(
    checkpoint: Checkpoint, settings: Any
) -> None:
    (Path(checkpoint.path) / "config.json").write_text("[]")
    with pytest.raises(CommandError, match="Not sent, see the log above or run it where they lie: base"):
        call_command("push_artifacts", stdout=StringIO())
    assert not ArtifactStore(settings.ACCORD_ARTIFACTS).has(checkpoint.content_hash)
    (Path(checkpoint.path) / "config.json").write_text("{}")
    out = StringIO()
    call_command("push_artifacts", "--again", stdout=out)
    assert out.getvalue().startswith("1 checkpoints are in s3://")


def test_a_storage_that_is_not_there_is_told(checkpoint: Checkpoint, settings: Any) -> None:
    (Path(checkpoint.path) / "config.json").unlink()
    Path(checkpoint.path).rmdir()
    settings.ACCORD_ARTIFACTS = "s3://absent/x"
    with pytest.raises(ArtifactError, match="There is no bucket absent"):
        checkpoint_fetch(checkpoint)
    settings.ACCORD_ARTIFACTS = ""
    assert sender_start() is None
    with pytest.raises(CommandError, match="ARTIFACTS is not set"):
        call_command("push_artifacts")


def test_where_no_client_is_installed_others_send(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, CLIENT, None)
    caplog.set_level("INFO")
    assert sender_start() is None
    assert "s3fs is not installed here: other workers send" in caplog.text
