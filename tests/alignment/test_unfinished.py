"""What a cancelled or failed attempt had done is not done again by the next."""

import multiprocessing
import signal
from pathlib import Path

import pytest

from alignment.advancing import round_advance
from alignment.control import round_cancel, round_retry
from alignment.models import Program, Round, Stage
from alignment.programs import SftConfig
from alignment.reuse import program_fingerprint
from alignment.stages.plan import checkpoint_out, program_add
from alignment.training import sft
from alignment.unfinished import unfinished_continue
from annotation.records import write_records
from pretrain.run import CHECKPOINTS, RunFolder, load_config
from tests.alignment.factories import make_round
from tests.alignment.scaled_rounds import ScaledRounds, result, work
from tests.alignment.training.factories import make_base, make_optimizer, make_sft_examples, training
from tests.pretrain.killed import run_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
CHECKPOINT = "checkpoint-00000003-0123456789abcdef.pt"


@pytest.fixture
def rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScaledRounds:
    """Rounds that multiply numbers."""
    return ScaledRounds(tmp_path, monkeypatch)


def leave_checkpoint(program: Program) -> Path:
    """What a training that is stopped after three steps leaves in its run folder."""
    folder = RunFolder(Path(program.folder))
    folder.progress(3, 9, "steps")
    (folder.path / CHECKPOINT).write_text("weights")
    return folder.path


def program_of(round_: Round, name: str = "second") -> Program:
    """The round's newest program of that name."""
    return Program.objects.get(stage__round=round_, name=name)


def cancelled(round_: Round) -> Path:
    """The run folder of the round's second program, which was cancelled in its middle."""
    round_advance(round_.pk)
    folder = leave_checkpoint(program_of(round_))
    round_cancel(round_, None)
    return folder


def test_a_retried_stage_goes_on_from_the_checkpoint_of_the_failed_attempt(rounds: ScaledRounds) -> None:
    round_ = rounds.launch()
    rounds.broken.add(round_.pk)
    work(round_)
    before = leave_checkpoint(program_of(round_))
    round_retry(round_, None)
    round_advance(round_.pk)
    folder = RunFolder(Path(program_of(round_).folder))
    assert folder.path != before
    assert (folder.path / CHECKPOINT).read_text() == "weights"
    assert [row["done"] for row in folder.read_metrics("progress")] == [3]
    assert not list(before.glob(CHECKPOINTS)), "the disk need not hold it twice"
    assert not folder.read_error(), "why the last attempt failed is no news of this one"
    assert result(work(round_)) == 5.0


def test_a_round_like_a_cancelled_one_goes_on_where_that_was(rounds: ScaledRounds) -> None:
    before = cancelled(rounds.launch())
    again = rounds.launch()
    round_advance(again.pk)
    taken = Path(program_of(again).folder) / CHECKPOINT
    assert taken.samefile(before / CHECKPOINT), "linked: the cancelled round may still be retried"
    assert not list(Path(program_of(again, "first").folder).glob(CHECKPOINTS))


@pytest.mark.parametrize("values", [{"second": 4.0}, {"fresh_from": "sft"}], ids=["other number", "fresh"])
def test_what_would_compute_something_else_takes_nothing(
    rounds: ScaledRounds, values: dict[str, object]
) -> None:
    before = cancelled(rounds.launch())
    other = rounds.launch(**values)  # type: ignore[arg-type]  # either of the two
    round_advance(other.pk)
    assert not list(Path(program_of(other).folder).glob(CHECKPOINTS))
    assert list(before.glob(CHECKPOINTS))


def test_a_cancelled_program_is_waited_for_until_its_worker_has_let_go(rounds: ScaledRounds) -> None:
    first = rounds.launch()
    before = cancelled(first)
    held = Program.objects.filter(stage__round=first)
    stop_at = first.created_at.replace(year=first.created_at.year + 1)
    held.update(lease_expires_at=stop_at)
    other = rounds.launch()
    round_advance(other.pk)
    assert not list(Path(program_of(other).folder).glob(CHECKPOINTS)), "it may yet write there"
    round_retry(first, None)
    round_advance(first.pk)
    assert program_of(first).state == Program.State.PENDING
    held.update(lease_expires_at=None)
    round_advance(first.pk)
    assert (Path(program_of(first).folder) / CHECKPOINT).exists()
    assert not list(before.glob(CHECKPOINTS))


def test_a_training_taken_over_ends_with_the_same_bytes(tmp_path: Path) -> None:
    base, examples = make_base(tmp_path / "base"), tmp_path / "sft.jsonl"
    write_records(examples, make_sft_examples(10))
    stage = make_round().stages.get(name=Stage.Name.SFT)

    def planned(attempt: int) -> Program:
        Stage.objects.filter(pk=stage.pk).update(attempt=attempt)
        stage.refresh_from_db()
        optimizer = make_optimizer(num_epochs=3, batch_size=4)
        options = training(base, examples, tmp_path, optimizer=optimizer, checkpoint_seconds=1e-9)
        config = SftConfig(**{**options, "out": checkpoint_out(stage, "first")})
        program = program_add(stage, "first", "alignment.training.sft", config, queue="training")
        program.fingerprint = program_fingerprint(program)
        unfinished_continue(stage, program)
        return program

    killed = planned(1)
    process = multiprocessing.get_context("fork").Process(
        target=run_until, args=("checkpoint-00000004-", run_sft, killed.folder)
    )
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGALRM
    again = RunFolder(Path(planned(2).folder))
    [*_, newest] = sorted(path.name for path in again.path.glob(CHECKPOINTS))
    assert newest.startswith("checkpoint-00000004-")
    run_sft(str(again.path))
    run_sft(planned_whole(tmp_path, again))
    for name in ("checkpoint/model.safetensors", "result.json"):
        assert (again.path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert num_rows(again) == num_rows(RunFolder(tmp_path / "whole")), "no step was done twice"


def run_sft(folder: str) -> None:
    """The training that the run folder's configuration asks for."""
    run_folder = RunFolder(Path(folder))
    sft.run(load_config(run_folder.config_path, SftConfig), run_folder)


def planned_whole(tmp_path: Path, like: RunFolder) -> str:
    """A run folder in which the same training runs from its beginning."""
    whole = RunFolder(tmp_path / "whole")
    config = load_config(like.config_path, SftConfig)
    whole.write_config(config.model_copy(update={"out": whole.path / "checkpoint"}))
    return str(whole.path)


def num_rows(folder: RunFolder) -> int:
    """How many rows of metrics there are, a step that was done twice counted twice."""
    return sum(row["kind"] == "metrics" for row in folder.read_metrics())
