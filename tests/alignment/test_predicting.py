"""What a reward model says of open comparisons, from the clock's tick to the comparison's row."""

import json
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from accounts.models import AuditEntry
from alignment.model_comparing import model_comparisons_advance
from alignment.models import PredictionRun, Program, Round, Stage
from alignment.predicting import predictions_plan, predictions_request
from alignment.programs import PREDICTIONS
from alignment.records import Prediction
from alignment.running import program_claim
from annotation.models import Comparison, OverlapMode
from annotation.records import write_records
from registry.models import Checkpoint
from tests.alignment.factories import make_round
from tests.annotation.factories import make_comparison

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


@pytest.fixture
def round_(tmp_path: Path, settings: Settings) -> Round:
    """A round with a reward model, in a project of adaptive overlap."""
    settings.ACCORD_RUNS = tmp_path / "runs"
    made = make_round()
    made.project.overlap_mode = OverlapMode.ADAPTIVE
    made.project.save()
    reward = Checkpoint.objects.create(
        name="reward", kind=Checkpoint.Kind.REWARD_MODEL, path="/reward", content_hash="0" * 64
    )
    stages = made.stages.filter(name=Stage.Name.REWARD_MODEL)
    stages.update(state=Stage.State.FINISHED, result={"checkpoints": {"average": reward.pk}})
    evaluation = made.stages.filter(name=Stage.Name.EVALUATION)
    evaluation.update(result={"calibration": {"temperature": 2.5}})
    return made


def test_open_comparisons_are_scored_once_and_their_texts_are_not_kept(round_: Round) -> None:
    comparison = make_comparison(round_.project, "Why?")
    judged = make_comparison(round_.project, "Who?")
    Comparison.objects.filter(pk=judged.pk).update(state=Comparison.State.WITHDRAWN)
    predictions_plan()
    run = PredictionRun.objects.get()
    program = run.program
    assert (program.state, program.queue, run.num_comparisons) == ("queued", "sampling", 1)
    config = json.loads((Path(program.folder) / "run.json").read_text())
    assert (config["reward_model"], config["temperature"]) == ("/reward", 2.5)
    pair = json.loads(Path(config["comparisons"]).read_text())
    assert (pair["id"], pair["left"]) == (comparison.pk, comparison.left.content)
    predictions_plan()  # it is under way
    assert PredictionRun.objects.count() == 1
    write_records(Path(program.folder) / PREDICTIONS, [Prediction(id=comparison.pk, left=0.2)])
    Program.objects.filter(pk=program.pk).update(state=Program.State.FINISHED)
    predictions_plan()
    predictions_plan()
    comparison.refresh_from_db()
    assert comparison.predicted == 0.2
    assert AuditEntry.objects.filter(action="comparisons.predict").count() == 1
    assert not Path(program.folder).parent.exists()
    PredictionRun.objects.all().delete()
    assert predictions_request(round_.project) is None  # nothing is left to ask


def test_what_is_too_long_for_the_reward_model_is_marked_and_not_asked_again(round_: Round) -> None:
    comparison = make_comparison(round_.project, "Why?")
    predictions_plan()
    program = PredictionRun.objects.get().program
    write_records(Path(program.folder) / PREDICTIONS, [Prediction(id=comparison.pk, left=None)])
    Program.objects.filter(pk=program.pk).update(state=Program.State.FINISHED)
    predictions_plan()
    comparison.refresh_from_db()
    assert comparison.predicted is None
    assert comparison.too_long
    assert AuditEntry.objects.get(action="comparisons.predict").data == {"comparisons": 0, "too_long": 1}
    PredictionRun.objects.all().delete()
    assert predictions_request(round_.project) is None


def test_a_run_that_failed_keeps_its_log_and_no_texts(round_: Round) -> None:
    make_comparison(round_.project, "Why?")
    predictions_plan()
    log = Path(PredictionRun.objects.get().program.folder) / "log.txt"
    log.write_text("out of memory")
    Program.objects.update(state=Program.State.FAILED)
    predictions_plan()
    predictions_plan()
    left = {path.name for path in log.parents[1].rglob("*") if path.is_file()}
    assert left == {"run.json", "log.txt"}


def test_a_vanished_worker_gives_it_to_another(round_: Round) -> None:
    make_comparison(round_.project, "Why?")
    run = predictions_request(round_.project)
    assert run is not None
    assert program_claim(run.program_id, 1) is not None
    Program.objects.update(lease_expires_at="2020-01-01T00:00:00Z")
    model_comparisons_advance()
    assert program_claim(run.program_id, 1) is None
    assert program_claim(run.program_id, 2) is not None


def test_without_a_reward_model_or_with_a_fixed_number_of_people_nobody_is_asked(round_: Round) -> None:
    make_comparison(round_.project, "Why?")
    round_.project.overlap_mode = OverlapMode.FIXED
    round_.project.save()
    predictions_plan()
    round_.stages.filter(name=Stage.Name.REWARD_MODEL).update(state=Stage.State.FAILED)
    assert predictions_request(round_.project) is None
    assert not PredictionRun.objects.exists()
