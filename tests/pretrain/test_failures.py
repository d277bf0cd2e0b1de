"""Real errors of the system, of torch and of files, and the sentences that they become."""

import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from alignment.endings import failure_of
from annotation.records import PreferenceRecord, read_records
from pretrain.failures import Failure, ProgramError, TransientError, explain
from pretrain.processes import require_device
from pretrain.run import EXIT_TERMINATED, RunFolder, write_atomically


def failure_in(function: object, *arguments: object) -> Failure:
    assert callable(function)
    try:
        function(*arguments)
    except Exception as error:  # noqa: BLE001  # whatever it is, as a program's outermost frame does
        return explain(error)
    raise AssertionError("nothing failed")


def write_to_a_full_disk() -> None:
    with Path("/dev/full").open("w") as full:
        full.write("x")


def test_a_full_disk(tmp_path: Path) -> None:
    failure = failure_in(write_to_a_full_disk)
    assert failure.sentence.endswith(" is full: free space on it, then retry.")
    assert not failure.may_pass


def test_the_machines_memory() -> None:
    failure = failure_in(torch.empty, 1 << 50)
    assert failure.sentence.startswith(
        "The machine ran out of memory: let fewer programs run at once, lower "
    )
    assert not failure.may_pass


def test_a_gpus_memory() -> None:
    failure = explain(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    assert failure.sentence.startswith("The GPU ran out of memory: ")
    assert not failure.may_pass


def test_a_missing_file_and_a_damaged_one(tmp_path: Path) -> None:
    missing = failure_in((tmp_path / "train.jsonl").read_text)
    assert missing.sentence.startswith(f"There is no {tmp_path}/train.jsonl: a file that this program reads ")
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 100)
    damaged = failure_in(load_file, tmp_path / "model.safetensors")
    assert damaged.sentence.startswith("A file of weights is damaged: copy or make the model again")
    assert not missing.may_pass and not damaged.may_pass


def test_a_broken_line_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text('{"id": "1", "cont\n')
    broken = failure_in(list, read_records(tmp_path / "prompts.jsonl", PreferenceRecord))
    assert broken.sentence.startswith(
        "A line of an input file is no PreferenceRecord: the whole: Invalid JSON"
    )


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_missing_gpu() -> None:
    require_device("auto")
    with pytest.raises(ProgramError, match="There is no GPU that can be used here: start the worker on"):
        require_device("cuda")
    asked = failure_in(torch.zeros(1).cuda)
    assert not asked.may_pass


def test_what_may_pass_is_told_apart() -> None:
    assert explain(TransientError("A worker was killed.")).may_pass
    assert explain(ConnectionResetError("reset by peer")).may_pass
    assert explain(RuntimeError("CUDA error: uncorrectable ECC error encountered")).may_pass
    assert not explain(ProgramError("Give more rows.")).may_pass
    assert explain(ValueError("unexpected")) == Failure(sentence="ValueError: unexpected")


def test_how_a_program_ended_is_read_from_its_status(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    ends = {
        returncode: failure_of(folder, returncode, oom_kills=kills)
        for returncode, kills in ((-signal.SIGKILL, 1), (-signal.SIGSEGV, 0), (EXIT_TERMINATED, 0), (0, 0))
    }
    assert all(end is not None and end.may_pass for end in ends.values())
    said = [end.sentence for end in ends.values() if end is not None]
    assert "the machine's memory ran out" in said[0]
    assert "SIGSEGV" in said[1]
    assert said[2].startswith("The program was stopped by SIGTERM")
    assert said[3].startswith("The program ended with status 0 and no result")
    folder.fail("Give more rows.")
    assert failure_of(folder, 2) == Failure(sentence="Give more rows.")
    folder.finish({})
    assert failure_of(folder, 0) is None


def test_a_file_whose_aside_is_tidied_away_is_written_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, num = os.fsync, 0

    def tidied(handle: int) -> None:
        nonlocal num
        num += 1
        if num == 1:
            RunFolder(tmp_path).tidy()
        whole(handle)

    monkeypatch.setattr(os, "fsync", tidied)
    write_atomically(tmp_path / "job.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["job.json"]
    with pytest.raises(FileNotFoundError):
        write_atomically(tmp_path / "gone" / "job.json", "{}")
