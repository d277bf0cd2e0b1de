"""Checkpoints are whole or absent and prove it: damaged ones are passed over, full disks are told of."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

from pretrain.checkpoints import checkpoints, num_bytes, read_checkpoint, step_of, write_checkpoint
from pretrain.disk import require_space
from pretrain.failures import explain
from pretrain.run import ProgramError, RunFolder
from tests.pretrain.killed import run_killed
from tests.pretrain.test_loop import CONFIG, NUM_STEPS, make_model, run, same_weights

FREQUENT = CONFIG.model_copy(update={"checkpoint_seconds": 1e-9})


class PowerCutError(Exception):
    """Stands for the death of the process."""


def cut_after(folder: Path, steps: int) -> RunFolder:
    """A run that ended without a word once `steps` steps were done, the last of them not kept."""

    def fail(step: int) -> None:
        if step == steps:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        run(folder, make_model(), FREQUENT, fail)
    return RunFolder(folder)


def test_the_two_newest_are_kept(tmp_path: Path) -> None:
    assert [step_of(path) for path in checkpoints(cut_after(tmp_path, 7))] == [6, 5]


@pytest.mark.parametrize("damage", ["flipped", "truncated", "emptied"])
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(tmp_path: Path, damage: str) -> None:
    whole = make_model()
    run(tmp_path / "whole", whole)
    folder = cut_after(tmp_path / "cut", 7)
    newest = checkpoints(folder)[0]
    flipped = bytearray(newest.read_bytes())
    flipped[len(flipped) // 2] ^= 1
    damaged = {"flipped": bytes(flipped), "truncated": bytes(flipped[:1000]), "emptied": b""}
    newest.write_bytes(damaged[damage])
    resumed = make_model()
    steps: list[int] = []
    run(folder.path, resumed, FREQUENT, steps.append)
    assert steps[0] == 6
    assert same_weights(whole, resumed)
    (warning,) = folder.read_metrics("warning")
    assert warning["warning"].startswith(f"The checkpoint {newest} is damaged and was removed: training goes")
    assert not newest.exists()


def test_without_any_good_checkpoint_training_starts_anew(tmp_path: Path) -> None:
    folder = cut_after(tmp_path, 4)
    for path in checkpoints(folder):
        path.write_bytes(path.read_bytes()[:-1])
    assert read_checkpoint(folder) is None
    assert [row["warning"].split(":")[1].split(".")[0] for row in folder.read_metrics("warning")] == [
        " training goes on anew"
    ] * 2


@contextmanager
def files_up_to(num_bytes: int) -> Iterator[None]:
    """No file may grow beyond so many bytes while the block runs, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_ends_the_run_with_a_sentence_and_spoils_nothing(tmp_path: Path) -> None:
    folder = cut_after(tmp_path, 3)
    before = checkpoints(folder)
    content = {"model": {"weight": torch.zeros(1 << 16)}}
    assert num_bytes(content) == 1 << 18
    assert signal.getsignal(signal.SIGXFSZ) is signal.SIG_IGN
    with files_up_to(1 << 15), pytest.raises(OSError, match="File too large") as full:
        write_checkpoint(folder, 3, content)
    failure = explain(full.value)
    assert failure.sentence == (
        f"The disk of {tmp_path / '.checkpoint.writing'} is full: free space on it, then retry."
    )
    assert not failure.may_pass
    assert checkpoints(folder) == before
    assert not list(tmp_path.glob(".*"))


def test_too_little_space_is_told_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(
        ProgramError, match=r"The disk of .* free and the model needs 1e\+06 TB: free .* more"
    ):
        require_space(tmp_path / "not" / "yet", 10**18, "the model")


def to_the_end(folder: Path) -> None:
    """The whole run, with a checkpoint after every step."""
    run(folder, make_model(), FREQUENT)


def test_kills_at_random_moments_also_while_a_checkpoint_is_written_change_nothing(tmp_path: Path) -> None:
    to_the_end(tmp_path / "whole")
    assert run_killed(to_the_end, tmp_path / "killed", num_kills=12, most_files=2) > 3
    found = [read_checkpoint(RunFolder(tmp_path / name)) for name in ("whole", "killed")]
    contents = [each[1] for each in found if each is not None]
    assert [step_of(each[0]) for each in found if each is not None] == [NUM_STEPS, NUM_STEPS]
    for name, weight in contents[0]["model"].items():
        assert torch.equal(weight, contents[1]["model"][name])
    rows = [list(RunFolder(tmp_path / name).read_metrics("metrics")) for name in ("whole", "killed")]
    assert [row["step"] for row in rows[0]] == [row["step"] for row in rows[1]]
