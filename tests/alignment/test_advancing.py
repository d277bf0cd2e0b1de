"""Rounds are advanced from the database alone: what a dead worker held is given away, a failure is kept."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from accounts.models import Role, User
from accounts.services import user_create
from alignment.advancing import MAX_LOST, round_advance
from alignment.control import round_cancel, stage_retry
from alignment.models import Program, Round, Stage
from tests.alignment.factories import make_program, make_round

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


@pytest.fixture
def admin() -> User:
    """Who launches rounds."""
    return user_create(username="lead", role=Role.ADMIN)


@pytest.fixture
def stage() -> Stage:
    """A DPO stage that runs, with everything before it finished."""
    round_ = make_round()
    stage = round_.stages.get(name=Stage.Name.DPO)
    round_.stages.filter(position__lt=stage.position).update(state=Stage.State.FINISHED)
    Stage.objects.filter(pk=stage.pk).update(state=Stage.State.RUNNING, attempt=1)
    stage.refresh_from_db()
    return stage


def test_a_program_whose_worker_vanished_goes_to_another_under_a_new_attempt(
    stage: Stage, tmp_path: Path
) -> None:
    program = make_program(tmp_path, "finish", state=Program.State.RUNNING, stage=stage)
    Program.objects.filter(pk=program.pk).update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    round_advance(stage.round_id)
    program.refresh_from_db()
    assert (program.state, program.attempt) == (Program.State.QUEUED, 2)


def test_a_program_whose_lease_holds_is_left_alone(stage: Stage, tmp_path: Path) -> None:
    program = make_program(tmp_path, "finish", state=Program.State.RUNNING, stage=stage)
    Program.objects.filter(pk=program.pk).update(lease_expires_at=timezone.now() + timedelta(seconds=30))
    round_advance(stage.round_id)
    program.refresh_from_db()
    assert (program.state, program.attempt) == (Program.State.RUNNING, 1)


def test_a_program_that_keeps_losing_its_workers_fails_the_round(stage: Stage, tmp_path: Path) -> None:
    program = make_program(tmp_path, "finish", state=Program.State.RUNNING, stage=stage)
    Program.objects.filter(pk=program.pk).update(
        lease_expires_at=timezone.now() - timedelta(seconds=1), num_lost=MAX_LOST - 1
    )
    round_advance(stage.round_id)
    stage.refresh_from_db()
    assert stage.state == Stage.State.FAILED
    assert "vanished 3 times" in stage.error


def test_a_failed_program_fails_its_stage_and_round_with_its_sentence(stage: Stage, tmp_path: Path) -> None:
    program = make_program(tmp_path, "refuse", state=Program.State.FAILED, stage=stage)
    Program.objects.filter(pk=program.pk).update(error="The disk is full: free some space.")
    round_advance(stage.round_id)
    stage.refresh_from_db()
    assert stage.error.endswith("The disk is full: free some space.")
    assert stage.round.state == Round.State.FAILED


def test_an_average_waits_for_its_variants(stage: Stage, tmp_path: Path) -> None:
    make_program(tmp_path / "a", "finish", state=Program.State.PENDING, stage=stage)
    average = make_program(tmp_path / "b", "finish", state=Program.State.PENDING, stage=stage)
    Program.objects.filter(pk=average.pk).update(group=1)
    round_advance(stage.round_id)
    states = list(stage.programs.order_by("group").values_list("state", flat=True))
    assert states == [Program.State.QUEUED, Program.State.PENDING]


def test_a_failed_stage_can_be_retried(stage: Stage, tmp_path: Path, admin: User) -> None:
    Stage.objects.filter(pk=stage.pk).update(state=Stage.State.FAILED, error="broken")
    Round.objects.filter(pk=stage.round_id).update(state=Round.State.FAILED)
    stage.refresh_from_db()
    stage_retry(stage, admin)
    stage.refresh_from_db()
    assert stage.state == Stage.State.PENDING
    assert Round.objects.get(pk=stage.round_id).state == Round.State.RUNNING


def test_cancelling_a_round_cancels_its_programs(stage: Stage, tmp_path: Path, admin: User) -> None:
    program = make_program(tmp_path, "finish", state=Program.State.RUNNING, stage=stage)
    round_cancel(stage.round, admin)
    program.refresh_from_db()
    assert program.state == Program.State.CANCELLED
    round_advance(stage.round_id)
    assert Round.objects.get(pk=stage.round_id).state == Round.State.CANCELLED
