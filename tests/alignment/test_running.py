"""Programs are started once, followed, killed when cancelled, and leave a sentence when they fail."""

import json
import threading
import time
from pathlib import Path

import psutil
import pytest
from django.db import connection

from alignment import running
from alignment.launching.handles import Handle, handle_write
from alignment.models import Program
from alignment.running import program_claim, program_run
from pretrain.run import RunFolder
from tests.alignment.factories import make_program

pytestmark = pytest.mark.django_db(transaction=True)


def run(program: Program) -> Program:
    """Deliver the program's message, as a worker would."""
    claimed = program_claim(program.pk, program.attempt)
    assert claimed is not None
    program_run(claimed)
    program.refresh_from_db()
    return program


def queued_again(program: Program) -> Program:
    """The program as whoever advances the round hands it out anew."""
    attempt = program.attempt + 1
    Program.objects.filter(pk=program.pk).update(state=Program.State.QUEUED, attempt=attempt)
    program.refresh_from_db()
    return program


def test_a_finished_program_leaves_its_result_and_progress(tmp_path: Path) -> None:
    program = run(make_program(tmp_path, "finish"))
    assert program.state == Program.State.FINISHED
    assert program.result == {"num_tokens": 7}
    assert (program.done, program.total, program.unit) == (3, 3, "steps")
    assert program.pid is None


def test_a_refusal_is_shown_in_its_own_words(tmp_path: Path) -> None:
    program = run(make_program(tmp_path, "refuse"))
    assert program.state == Program.State.FAILED
    assert program.error == "The data is too small: give more rows."


def test_an_unexpected_error_is_named_and_its_traceback_is_in_the_log(tmp_path: Path) -> None:
    program = run(make_program(tmp_path, "break"))
    assert program.error == "ValueError: unexpected"
    assert "Traceback" in (tmp_path / "log.txt").read_text()


def test_a_killed_program_is_tried_again_and_then_says_which_signal_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "MAX_RETRIES", 1)
    program = run(make_program(tmp_path, "die"))
    assert (program.state, program.num_retries) == (Program.State.PENDING, 1)
    program = run(queued_again(program))
    assert program.state == Program.State.FAILED
    assert "SIGKILL" in program.error
    assert "log.txt" in program.error
    assert program.error.endswith("It was tried 2 times.")


def test_a_program_that_gets_further_each_time_is_tried_on(tmp_path: Path) -> None:
    program = make_program(tmp_path, "die")
    RunFolder(tmp_path).progress(5, 9, "steps")
    Program.objects.filter(pk=program.pk).update(num_retries=3, furthest=4)
    program = run(program)
    assert (program.state, program.num_retries, program.furthest) == (Program.State.PENDING, 1, 5)
    Program.objects.filter(pk=program.pk).update(num_retries=3)
    assert run(queued_again(program)).state == Program.State.FAILED


def test_what_a_kill_left_half_written_is_gone_after_the_end(tmp_path: Path) -> None:
    program = make_program(tmp_path, "finish")
    (tmp_path / ".checkpoint.writing").mkdir()
    (tmp_path / ".checkpoint.writing" / "model.safetensors").write_bytes(b"half")
    (tmp_path / ".result.json.77.writing").write_text("{")
    RunFolder(tmp_path).metrics(1, loss=2.0)
    with (tmp_path / "metrics.jsonl").open("a") as lines:
        lines.write('{"kind": "progress", "do')
    program = run(program)
    assert (program.state, program.done) == (Program.State.FINISHED, 3)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("log.txt", "metrics.jsonl", "result.json", "run.json", "starts.txt")
    ]


def test_a_message_delivered_twice_starts_the_program_once(tmp_path: Path) -> None:
    program = make_program(tmp_path, "finish")
    assert program_claim(program.pk, 1) is not None
    assert program_claim(program.pk, 1) is None


def test_a_message_of_an_older_attempt_starts_nothing(tmp_path: Path) -> None:
    program = make_program(tmp_path, "finish")
    Program.objects.filter(pk=program.pk).update(attempt=2)
    assert program_claim(program.pk, 1) is None


def test_a_result_that_is_already_there_is_not_computed_again(tmp_path: Path) -> None:
    program = make_program(tmp_path, "die")
    RunFolder(tmp_path).finish({"num_tokens": 9})
    assert run(program).result == {"num_tokens": 9}
    assert not (tmp_path / "starts.txt").exists()


def test_a_cancelled_program_is_killed_within_seconds(tmp_path: Path) -> None:
    program = make_program(tmp_path, "hang")

    def work() -> None:
        try:
            run(program)
        finally:
            connection.close()

    worker = threading.Thread(target=work)
    worker.start()
    pid = _wait_for_start(tmp_path)
    Program.objects.filter(pk=program.pk).update(state=Program.State.CANCELLED)
    worker.join(20)
    assert not worker.is_alive()
    assert not psutil.pid_exists(pid)
    program.refresh_from_db()
    assert program.state == Program.State.CANCELLED


def test_a_program_of_several_processes_is_started_and_killed_with_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes that do not hear, and whose launcher would wait for them longer than we do."""
    monkeypatch.setattr(running, "GRACE_SECONDS", 1.0)
    program = make_program(tmp_path, "cling", num_processes=2)
    worker = threading.Thread(target=_run_and_close, args=(program.pk, 1))
    worker.start()
    pids = _wait_for_starts(tmp_path, 2)
    launchers = {psutil.Process(pid).ppid() for pid in pids}
    Program.objects.filter(pk=program.pk).update(state=Program.State.CANCELLED)
    worker.join(20)
    assert not worker.is_alive()
    assert len(launchers) == 1
    assert not any(map(_is_alive, launchers.union(pids)))


def test_a_process_left_by_a_lost_attempt_is_ended_before_the_next_one(tmp_path: Path) -> None:
    program = make_program(tmp_path, "hang")
    first = threading.Thread(target=_run_and_close, args=(program.pk, 1))
    first.start()
    left_behind = _wait_for_start(tmp_path)
    Program.objects.filter(pk=program.pk).update(state=Program.State.QUEUED, attempt=2)
    config = json.loads((tmp_path / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**config, "behaviour": "finish"}))
    program.refresh_from_db()
    assert run(program).state == Program.State.FINISHED
    first.join(20)
    assert not _is_alive(left_behind)
    assert len((tmp_path / "starts.txt").read_text().split()) == 2


def test_a_job_of_another_launcher_is_left_alone_and_told(tmp_path: Path) -> None:
    program = make_program(tmp_path, "finish")
    handle_write(RunFolder(tmp_path), Handle(launcher="slurm", name="accord-1", handle="17"))
    program = run(program)
    assert program.state == Program.State.FAILED
    assert "has the job accord-1 of slurm: end that job there and remove job.json" in program.error
    assert not (tmp_path / "starts.txt").exists()


def _run_and_close(program_id: int, attempt: int) -> None:
    claimed = program_claim(program_id, attempt)
    assert claimed is not None
    program_run(claimed)
    connection.close()


def _is_alive(pid: int) -> bool:
    """Also a zombie is dead: the kernel's first process may take its time to bury it."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _wait_for_start(folder: Path) -> int:
    return _wait_for_starts(folder, 1)[-1]


def _wait_for_starts(folder: Path, num: int) -> list[int]:
    """The ids of the program's processes, once there are `num`."""
    path = folder / "starts.txt"
    for _ in range(1000):
        pids = path.read_text().split() if path.exists() else []
        if len(pids) >= num:
            return [int(pid) for pid in pids]
        time.sleep(0.05)
    raise AssertionError("The program did not start.")
