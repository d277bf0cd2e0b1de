"""What comes between a look at garbage and its end: names, kills, programs that start, backups, uploads."""

import os
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import Role
from accounts.process_cache import process_cache
from accounts.services import user_create
from alignment.models import Program, Round, Stage
from alignment.stages.plan import stage_folder
from annotation.models import ImportJob
from registry.models import Checkpoint, CheckpointParent, Deployment
from tests.alignment.factories import make_round
from tests.upkeep.files import FILES, put
from upkeep import garbage
from upkeep.garbage import garbage_collect, garbage_find
from upkeep.retention import Retention

pytestmark = pytest.mark.django_db


@pytest.fixture
def store(var: Path) -> Path:
    """A store with one old folder that no row names."""
    put(var / "checkpoints" / "one", old=True)
    return var / "checkpoints"


def in_between(monkeypatch: pytest.MonkeyPatch, happen: Callable[[], object]) -> None:
    """Let it happen after folders were renamed, before they are deleted."""
    monkeypatch.setattr(garbage, "pause", lambda _seconds: happen())


def make_model(path: Path, name: str = "one") -> Checkpoint:
    return Checkpoint.objects.create(name=name, kind="base", path=str(path), content_hash="0" * 64)


def test_what_is_named_in_the_last_moment_is_put_back(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_between(monkeypatch, lambda: make_model(store / "one"))
    assert garbage_collect(Retention()).doomed == []
    assert len(list((store / "one").iterdir())) == len(FILES)


def test_what_is_made_anew_in_the_last_moment_stays(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def make_anew() -> None:
        put(store / "one", old=False, names=("new.txt",))
        make_model(store / "one")

    in_between(monkeypatch, make_anew)
    garbage_collect(Retention())
    assert [path.name for path in (store / "one").iterdir()] == ["new.txt"]
    assert [path.name for path in store.iterdir()] == ["one"]


@pytest.mark.parametrize("named", [True, False])
def test_what_a_killed_collector_renamed_is_looked_up_again(
    store: Path, monkeypatch: pytest.MonkeyPatch, named: bool
) -> None:
    def die() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        in_between(patch, die)
        garbage_collect(Retention())
    assert [path.name for path in store.iterdir()] == [".garbage-one"]
    if named:
        make_model(store / "one")
    garbage_collect(Retention(), grace_seconds=0)
    assert [path.name for path in store.iterdir()] == (["one"] if named else [])


def test_a_program_that_is_just_starting_keeps_its_folder(var: Path) -> None:
    """Its folder is there before its row is."""
    round_ = make_round(state="failed")
    stage = round_.stages.get(name=Stage.Name.SFT)
    stage.attempt = 7
    put(stage_folder(stage) / "variant-1", old=False)
    assert garbage_find(Retention()).doomed == []
    assert [kept.why for kept in garbage_find(Retention()).kept] == ["it was touched lately"]
    for path in (stage_folder(stage), *stage_folder(stage).rglob("*")):
        os.utime(path, (0, 0))
    assert [each.path for each in garbage_find(Retention()).doomed] == [stage_folder(stage)]
    Round.objects.filter(pk=round_.pk).update(state="running")
    assert garbage_find(Retention()).doomed == []


def test_the_command_lists_and_only_deletes_when_told(
    store: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(garbage, "GRACE_SECONDS", 0.0)
    in_between(monkeypatch, lambda: None)
    make_model(put(store / "two", old=True)[0].parent)
    call_command("collect_garbage", "--kept")
    said = capsys.readouterr().out
    assert f"{store / 'one'}: a model's folder that no row names" in said
    assert f"{store / 'two'}: model one names it" in said
    assert "Would delete 1 files and folders" in said
    assert (store / "one").exists()
    call_command("collect_garbage", "--apply")
    assert "Deleted 1 files and folders" in capsys.readouterr().out
    assert not (store / "one").exists()


@pytest.mark.parametrize("deployed", [True, False])
def test_a_round_from_whose_model_something_deployed_descends_keeps_its_answers(
    var: Path, deployed: bool
) -> None:
    made = [make_model(var / "checkpoints" / name, name) for name in ("parent", "child", "grandchild")]
    for parent, child in pairwise(made):
        CheckpointParent.objects.create(child=child, parent=parent, role="initial")
    if deployed:
        Deployment.objects.create(name="x", checkpoint=made[2], served_name="x", state="live")
    round_ = make_round(state="finished", finished_at=timezone.now() - timedelta(days=9))
    stage = round_.stages.get(name=Stage.Name.SFT)
    stage.attempt, stage.result = 1, {"checkpoints": {"average": made[0].pk}}
    stage.save()
    put(stage_folder(stage) / "variant-1", old=True)
    assert bool(garbage_find(Retention(candidates=1)).doomed) is not deployed
    assert bool(garbage_find(Retention(runs=1)).doomed) is not deployed
    assert garbage_find(Retention(optimizer=1)).doomed


def test_what_a_round_under_way_reads_of_a_finished_one_is_not_let_go(var: Path) -> None:
    finished = make_round(state="finished", finished_at=timezone.now() - timedelta(days=9))
    stage = finished.stages.get(name=Stage.Name.SFT)
    stage.attempt = 1
    stage.save()
    read = put(stage_folder(stage) / "variant-1", old=True)
    rule = Retention(candidates=1, runs=2)
    reader = Program.objects.create(
        stage=make_round(state="failed").stages.get(name=Stage.Name.SFT),
        name="reader",
        module="m",
        queue="training",
        group=0,
        folder="/nowhere",
        plan={"inputs": [str(read[2])]},
    )
    assert garbage_find(rule).doomed == []
    reader.delete()
    assert [each.path for each in garbage_find(rule).doomed] == [stage_folder(stage).parent]


def test_uploads_that_wait_stay(var: Path) -> None:
    job = ImportJob.objects.create(
        project=make_round().project, kind="prompts", file_name="x", num_bytes=1, state="waiting"
    )
    put(var / "imports" / str(job.pk), old=True)
    put(var / "imports" / "999", old=True)
    assert [each.path.name for each in garbage_find(Retention()).doomed] == ["999"]


def test_the_disk_is_told_by_kind_and_place_with_links_counted_once(
    var: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], client: Client
) -> None:
    folder = var / "runs" / "helpful" / "round-1"
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"x" * 1_000_000)
    (folder / "log.txt").write_text("a log")
    (var / "checkpoints").mkdir()
    (var / "checkpoints" / "model.safetensors").hardlink_to(folder / "model.safetensors")
    call_command("disk", "--json", str(tmp_path / "disk.json"))
    said = capsys.readouterr().out
    assert "1.0 MB  weights, 2 files" in said
    assert "runs/helpful/round-1, 2 files" in said
    assert "database" in said
    assert '"free_bytes"' in (tmp_path / "disk.json").read_text()
    client.force_login(user_create(username="root", role=Role.ADMIN))
    process_cache.clear()
    page = client.get("/disk/").content.decode()
    assert "runs/helpful/round-1" in page
    assert "Weights" in page
    other = var / "runs" / "safety"
    other.mkdir()
    (other / "log.txt").write_text("a log")
    assert "runs/safety" not in client.get("/disk/").content.decode(), "not walked for every look"
    process_cache.clear()
    assert "runs/safety" in client.get("/disk/").content.decode()


@pytest.mark.django_db(transaction=True)
def test_garbage_waits_for_a_backup_and_a_backup_for_garbage(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from upkeep import backing_up

    def collect(*_about: object) -> list[str]:
        """While a backup is made."""
        with pytest.raises(CommandError, match="A backup is being made"):
            in_another_connection(lambda: call_command("collect_garbage", "--apply"))
        return []

    monkeypatch.setattr(backing_up, "keys_save", collect)
    call_command("backup", str(tmp_path / "backups"))
    assert (store / "one").exists()

    def back_up() -> None:
        with pytest.raises(CommandError, match="Garbage is being collected"):
            in_another_connection(lambda: call_command("backup", str(tmp_path / "backups")))

    in_between(monkeypatch, back_up)
    call_command("collect_garbage", "--apply")
    assert not (store / "one").exists()


def in_another_connection(do: Callable[[], object]) -> None:
    """As another process would; raises what it raises."""
    from concurrent.futures import ThreadPoolExecutor

    from django.db import connection

    def alone() -> None:
        try:
            do()
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(alone).result()
