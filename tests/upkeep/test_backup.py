"""Backups under writes, restored onto an empty machine, where a round goes on; and what kills do to them."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from accord.env import REPOSITORY
from accounts.models import AuditEntry
from accounts.services import user_create
from alignment.advancing import round_advance
from alignment.models import Program, Round
from alignment.running import program_claim, program_run
from annotation.models import Judgement
from pretrain.run import RunFolder
from registry.content import folder_hash
from registry.models import Checkpoint
from registry.services import checkpoint_register
from tests.alignment.scaled_rounds import ScaledRounds, compute
from tests.annotation.factories import Annotator, make_annotator, make_comparisons, make_project
from tests.upkeep.machines import Machines
from upkeep.manifest import backup_folder, backups_found, manifest_read

pytestmark = pytest.mark.django_db(transaction=True)


def make_model(folder: Path, name: str) -> Checkpoint:
    """A registered model of one file."""
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(name.encode() * 1000)
    return checkpoint_register(name=name, kind=Checkpoint.Kind.BASE, path=folder, produced_by="a test")


def round_in_the_middle(var: Path, monkeypatch: pytest.MonkeyPatch) -> Round:
    """One program has finished, one is at work, and their sum waits for both."""
    (var / "runs" / "data").mkdir()
    rounds = ScaledRounds(var / "runs" / "data", monkeypatch)
    round_ = rounds.launch()
    round_advance(round_.pk)
    first, second = Program.objects.filter(stage__round=round_, state="queued").order_by("name")
    claimed = program_claim(first.pk, first.attempt)
    assert claimed is not None
    compute(claimed)
    program_run(claimed)
    assert program_claim(second.pk, second.attempt) is not None
    folder = RunFolder(Path(second.folder))
    folder.progress(1, 9, "numbers")
    (folder.path / ".checkpoint.writing").write_text("half")
    return round_


@contextmanager
def judging(ann: Annotator, project: object, enough: int) -> Iterator[list[int]]:
    """Somebody judges all the while, and has judged `enough` by now; the numbers of what was answered."""
    judged: list[int] = []
    stop = threading.Event()

    def go_on() -> None:
        while not stop.is_set() and (handed := ann.next(project)):  # type: ignore[arg-type]
            assert ann.judge(handed).status == 201
            judged.append(handed["id"])
        connection.close()

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        wait_until(lambda: len(judged) >= enough)
        yield judged
    finally:
        stop.set()
        thread.join()


def wait_until(done: Callable[[], bool]) -> None:
    """At most half a minute."""
    give_up = time.monotonic() + 30
    while not done():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_a_backup_under_writes_is_restored_on_an_empty_machine_and_the_round_goes_on(
    var: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker: str, machines: Machines
) -> None:
    inside = make_model(var / "checkpoints" / "inside", "inside")
    outside = make_model(tmp_path / "elsewhere" / "base", "outside")
    project = make_project()
    make_comparisons(project, 300)
    ann = Annotator(make_annotator(project))
    round_ = round_in_the_middle(var, monkeypatch)
    Round.objects.filter(pk=round_.pk).update(base=outside)
    call_command("audit", "seal")
    out = tmp_path / "backups"
    with judging(ann, project, 20) as judged:
        before = set(judged)
        call_command("backup", str(out))
        during = len(judged) - len(before)
    assert during > 0, "nobody wrote while the backup was made"
    call_command("verify_backup", str(out))
    (var.parent).rename(tmp_path / "gone")
    (tmp_path / "elsewhere").rename(tmp_path / "gone elsewhere")

    there = machines.new()
    restored = there.manage("restore", str(out))
    assert restored.returncode == 0, restored.stderr
    kept = {row[0] for row in there.ask("SELECT comparison_id FROM annotation_judgement")}
    assert before <= kept <= set(judged)
    assert (there.var / "secret_key").read_text() == "the key\n"
    assert (there.var / "secret_key").stat().st_mode & 0o777 == 0o600
    paths = {row[0]: row[1] for row in there.ask("SELECT name, path FROM registry_checkpoint")}
    assert folder_hash(Path(str(paths["inside"]))) == inside.content_hash
    assert folder_hash(Path(str(paths["outside"]))) == outside.content_hash
    assert all(str(path).startswith(str(there.var)) for path in (paths["inside"], paths["outside"]))
    assert not list(there.var.rglob(".checkpoint.writing"))

    went_on = there.run("-m", "tests.upkeep.going_on", str(round_.pk))
    assert went_on.returncode == 0, went_on.stderr
    told = json.loads(went_on.stdout)
    assert (told["state"], told["result"]) == ("finished", 5.0)
    assert told["attempts"] == {"first": 1, "second": 2, "sum": 1}
    verified = there.manage("audit", "verify", "--head", manifest_read(out).audit_head)
    assert verified.returncode == 0, verified.stderr
    again = there.manage("restore", str(out))
    assert again.returncode != 0
    assert "tables already" in again.stderr


def test_the_next_backup_copies_what_is_new_and_old_ones_can_go(var: Path, tmp_path: Path) -> None:
    out = tmp_path / "backups"
    (var / "runs" / "old.txt").write_text("old")
    (var / "runs" / "linked.txt").hardlink_to(var / "runs" / "old.txt")
    call_command("backup", str(out))
    (var / "runs" / "new.txt").write_text("new")
    (var / "runs" / "old.txt").unlink()
    (var / "runs" / "linked.txt").unlink()
    call_command("backup", str(out), "--keep", "2")
    first, second = (manifest_read(out, name) for name in backups_found(out))
    assert [entry.path for entry in first.files] == ["runs/linked.txt", "runs/old.txt"]
    assert len({entry.sha256 for entry in first.files}) == 1
    assert [entry.path for entry in second.files] == ["runs/new.txt"]
    assert len(list((out / "blobs").glob("??/*"))) == 2
    call_command("backup", str(out), "--keep", "1")
    assert len(backups_found(out)) == 1
    assert len(list((out / "blobs").glob("??/*"))) == 1
    call_command("verify_backup", str(out))
    assert AuditEntry.objects.filter(action="backup.make").count() == 3


def test_a_result_that_comes_while_files_are_copied_is_left_out(
    var: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it says to be complete was copied before it was."""
    from upkeep import copying

    run = RunFolder(var / "runs" / "a")
    (run.path / "answers.jsonl").write_text("half")
    take = copying.Copier._take

    def finish_meanwhile(copier: copying.Copier, path: Path, name: str) -> object:
        entry = take(copier, path, name)
        run.finish({})
        return entry

    monkeypatch.setattr(copying.Copier, "_take", finish_meanwhile)
    call_command("backup", str(tmp_path / "backups"))
    assert [entry.path for entry in manifest_read(tmp_path / "backups").files] == ["runs/a/answers.jsonl"]
    call_command("backup", str(tmp_path / "backups"))
    assert len(manifest_read(tmp_path / "backups").files) == 2


def test_damage_is_found_and_named(var: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "backups"
    model = make_model(var / "checkpoints" / "one", "one")
    call_command("backup", str(out))
    assert manifest_read(out).problems == []
    (blob,) = (out / "blobs").glob("??/*")
    blob.chmod(0o600)
    blob.write_bytes(b"x" * blob.stat().st_size)
    with pytest.raises(CommandError, match=r"model\.safetensors is gone or damaged"):
        call_command("verify_backup", str(out))
    Path(model.path, "model.safetensors").write_text("another model")
    call_command("backup", str(out))
    assert "is not what its hash says" in capsys.readouterr().err
    dump = backup_folder(out, backups_found(out)[-1]) / "database.dump"
    dump.write_bytes(dump.read_bytes()[:-9])
    with pytest.raises(CommandError, match="dump is damaged"):
        call_command("verify_backup", str(out))
    manifest = dump.with_name("manifest.json")
    manifest.write_text(manifest.read_text().replace('"plain"', '"none"'))
    with pytest.raises(CommandError, match="was changed since"):
        call_command("verify_backup", str(out))


def test_a_killed_backup_is_none_and_a_killed_restore_is_taken_up_again(
    var: Path, tmp_path: Path, process_environment: dict[str, str], machines: Machines
) -> None:
    user_create(username="ann")
    out = tmp_path / "backups"
    for number in range(1500):
        (var / "runs" / f"{number}.txt").write_text(str(number))
    environment = {**process_environment, "ACCORD_VAR": str(var), "SECRET_KEY": "x"}
    kill(["backup", str(out)], environment, lambda: len(list((out / "blobs").glob("??/*"))) > 100)
    assert list((out / "backups").glob(".*.partial"))
    assert backups_found(out) == []
    with pytest.raises(CommandError, match="there is none"):
        call_command("verify_backup", str(out))
    call_command("backup", str(out))
    call_command("verify_backup", str(out))
    assert not list((out / "backups").glob(".*.partial"))

    there = machines.new()
    kill(["restore", str(out)], there.environment, lambda: len(list(there.var.rglob("*.txt"))) > 100)
    restored = there.manage("restore", str(out))
    assert restored.returncode == 0, restored.stderr
    assert len(list(there.var.rglob("*.txt"))) == 1500
    assert there.ask("SELECT username FROM accounts_user") == [("ann",)]
    assert not (there.var / "restoring.json").exists()


def kill(command: list[str], environment: dict[str, str], ready: Callable[[], bool]) -> None:
    """Start `manage.py COMMAND` and kill it outright once it has got so far."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", *command],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until(ready)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it had ended before"


def test_keys_are_encrypted_or_left_out(var: Path, tmp_path: Path, machines: Machines) -> None:
    out, phrase, wrong = tmp_path / "backups", tmp_path / "phrase", tmp_path / "wrong"
    phrase.write_text("correct horse\n")
    wrong.write_text("battery staple\n")
    call_command("backup", str(out), "--keys", "none")
    assert manifest_read(out).key_files == []
    with pytest.raises(CommandError, match="need a passphrase"):
        call_command("backup", str(out), "--keys", "encrypted")
    call_command("backup", str(out), "--keys", "encrypted", "--passphrase-file", str(phrase))
    (saved,) = (backup_folder(out, backups_found(out)[-1]) / "keys").iterdir()
    assert b"the key" not in saved.read_bytes()
    assert saved.stat().st_mode & 0o777 == 0o600
    there = machines.new()
    for options, said in (([], "are encrypted"), (["--passphrase-file", str(wrong)], "does not open")):
        refused = there.manage("restore", str(out), *options)
        assert said in refused.stderr
    opened = there.manage("restore", str(out), "--passphrase-file", str(phrase))
    assert opened.returncode == 0, opened.stderr
    assert (there.var / "secret_key").read_text() == "the key\n"


def test_bad_places_are_refused_in_a_sentence(var: Path, tmp_path: Path, machines: Machines) -> None:
    with pytest.raises(CommandError, match="lies in the folder that is backed up"):
        call_command("backup", str(var / "runs" / "backups"))
    with pytest.raises(CommandError, match="--keep must be 1"):
        call_command("backup", str(tmp_path), "--keep", "0")
    call_command("backup", str(tmp_path / "backups"))
    with pytest.raises(CommandError, match="no backup yesterday"):
        call_command("verify_backup", str(tmp_path / "backups"), "--backup", "yesterday")
    there = machines.new()
    (there.var / "runs" / "mine").mkdir(parents=True)
    assert "is not empty" in there.manage("restore", str(tmp_path / "backups")).stderr
    assert (there.var / "runs" / "mine").is_dir()
    assert not Judgement.objects.exists()
