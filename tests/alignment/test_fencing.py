"""Of all who act on a stage only the last who took it may write, and a crash leaves nothing half done."""

from pathlib import Path

import pytest
from django.db import OperationalError, connection

from accounts.errors import Conflict
from accounts.models import Role, User
from accounts.services import user_create
from alignment import advancing
from alignment.advancing import round_advance, rounds_advance, stage_fail
from alignment.control import round_cancel, stage_retry
from alignment.fencing import StepLost, stage_take, stage_write
from alignment.models import Program, Round, Stage
from alignment.services import gate_override
from alignment.stages import StageDefinition
from alignment.stages.plan import program_add
from tests.alignment.factories import make_round
from tests.alignment.stand_in import StandInConfig

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]

MODULE = "tests.alignment.stand_in"


@pytest.fixture
def admin() -> User:
    """Who launches rounds."""
    return user_create(username="lead", role=Role.ADMIN)


@pytest.fixture
def stage() -> Stage:
    """A gate that has not begun, with everything before it finished."""
    round_ = make_round()
    stage = round_.stages.get(name=Stage.Name.GATE)
    round_.stages.filter(position__lt=stage.position).update(state=Stage.State.FINISHED)
    return stage


def define(monkeypatch: pytest.MonkeyPatch, definition: StageDefinition) -> None:
    """Have the stage of that name do this."""
    monkeypatch.setitem(advancing.DEFINITIONS, definition.name.value, definition)


def nothing(stage: Stage) -> None:
    """A start that has nothing to do."""


def test_who_was_overtaken_writes_nothing(stage: Stage) -> None:
    slow = stage_take(stage.round_id)
    fast = stage_take(stage.round_id)
    assert slow is not None and fast is not None
    stage_write(fast, done=5)
    with pytest.raises(StepLost):
        stage_write(slow, done=3)
    with pytest.raises(StepLost):
        stage_fail(slow, "The connection was lost.")
    stage.refresh_from_db()
    assert (stage.done, stage.state) == (5, Stage.State.PENDING)


def test_a_round_that_was_cancelled_gets_no_more_programs(stage: Stage, admin: User) -> None:
    taken = stage_take(stage.round_id)
    assert taken is not None
    round_cancel(stage.round, admin)
    with pytest.raises(StepLost):
        program_add(taken, "late", MODULE, StandInConfig(behaviour="finish"), queue="training")
    assert not Program.objects.exists()


def test_a_decision_in_the_middle_of_a_step_is_kept(
    stage: Stage, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage_write(stage, state=Stage.State.WAITING, result={"problems": ["worse"], "decided_by": "proxy"})

    def poll(polled: Stage) -> bool:
        if "override" not in polled.result:
            gate_override(polled, admin, "Good enough.")
        polled.done = 1
        return True

    define(monkeypatch, StageDefinition(name=Stage.Name.GATE, start=nothing, poll=poll))
    round_advance(stage.round_id)
    stage.refresh_from_db()
    assert (stage.state, stage.done) == (Stage.State.WAITING, 0)
    round_advance(stage.round_id)
    stage.refresh_from_db()
    assert stage.state == Stage.State.FINISHED
    assert stage.result["override"] == {"by": "lead", "reason": "Good enough."}


def test_a_start_whose_connection_was_killed_is_repeated_in_a_folder_of_its_own(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts = []

    def start(started: Stage) -> None:
        attempts.append(started.attempt)
        if len(attempts) == 1:
            kill_own_connection()
        program_add(started, "work", MODULE, StandInConfig(behaviour="finish"), queue="training")

    define(monkeypatch, StageDefinition(name=Stage.Name.GATE, start=start))
    with pytest.raises(OperationalError):
        round_advance(stage.round_id)
    connection.close()
    round_advance(stage.round_id)
    program = Program.objects.get()
    assert (attempts, program.state) == ([1, 2], Program.State.QUEUED)
    assert Path(program.folder).parent.name == "attempt-2"


def test_a_fault_of_ours_fails_the_stage_and_can_be_retried(
    stage: Stage, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def start(started: Stage) -> None:
        raise KeyError("checkpoints")

    define(monkeypatch, StageDefinition(name=Stage.Name.GATE, start=start))
    rounds_advance()
    stage.refresh_from_db()
    assert stage.error == "KeyError: 'checkpoints'. The worker's log has the traceback."
    stage_retry(stage, admin)
    with pytest.raises(Conflict):
        stage_retry(stage, admin)
    stage.refresh_from_db()
    assert (stage.state, stage.round.state) == (Stage.State.PENDING, Round.State.RUNNING)


def kill_own_connection() -> None:
    """As a PostgreSQL that goes away in the middle of a step."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    other = connection.copy()
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    other.close()
