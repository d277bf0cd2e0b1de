"""Rounds are paused, resumed, cancelled, retried and run again: by page, API and command line."""

import json
import threading
import time
from datetime import timedelta
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from safetensors.numpy import save_file

from accounts.errors import Conflict, Invalid
from accounts.models import AuditEntry, Role, User
from accounts.services import user_create
from alignment.advancing import program_release, round_advance
from alignment.control import round_cancel, round_pause, round_rerun, round_resume, round_retry
from alignment.dry_run import dry_run
from alignment.forecast import forecasting
from alignment.forecast.forecasting import round_forecast
from alignment.models import Program, Round, RoundForecast, Stage
from alignment.running import program_claim
from alignment.tasks import program_run
from pretrain.tokenizer import train_tokenizer
from registry.models import Checkpoint
from registry.services import checkpoint_licence_set
from tests.alignment.factories import make_program, make_round
from tests.alignment.scaled_rounds import ScaledRounds, computed, recipe, work

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


@pytest.fixture
def admin() -> User:
    """Who launches rounds."""
    return user_create(username="lead", role=Role.ADMIN)


@pytest.fixture
def rounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScaledRounds:
    """Rounds that multiply numbers."""
    return ScaledRounds(tmp_path, monkeypatch)


@pytest.fixture
def finished(rounds: ScaledRounds, tmp_path: Path) -> Round:
    """A finished round whose base can be trained."""
    round_ = rounds.launch()
    (tmp_path / "base").mkdir()
    train_tokenizer(["red stone river bird", "user assistant system"] * 20, 320).save(
        str(tmp_path / "base" / "tokenizer.json")
    )
    save_file({"weight": np.zeros(4, np.float32)}, tmp_path / "base" / "model.safetensors")
    Checkpoint.objects.filter(pk=round_.base_id).update(path=str(tmp_path / "base"))
    work(round_)
    round_.base.refresh_from_db()
    return round_


def running_stage() -> Stage:
    """A DPO stage that runs, with everything before it finished."""
    round_ = make_round()
    stage: Stage = round_.stages.get(name=Stage.Name.DPO)
    round_.stages.filter(position__lt=stage.position).update(state=Stage.State.FINISHED)
    Stage.objects.filter(pk=stage.pk).update(state=Stage.State.RUNNING, attempt=1)
    return stage


def state_of(round_: Round) -> str:
    """Where the round is now."""
    return str(Round.objects.values_list("state", flat=True).get(pk=round_.pk))


def test_a_paused_round_stops_its_programs_and_goes_on_where_they_were(tmp_path: Path, admin: User) -> None:
    stage = running_stage()
    program = make_program(tmp_path, "hang", stage=stage)
    worker = threading.Thread(target=deliver, args=(program,))
    worker.start()
    while not (tmp_path / "starts.txt").exists():
        time.sleep(0.05)
    round_pause(stage.round, admin)
    worker.join(20)
    program.refresh_from_db()
    assert (program.state, program.lease_expires_at) == (Program.State.PENDING, None)
    round_advance(stage.round_id)
    program.refresh_from_db()
    assert (state_of(stage.round), program.state) == (Round.State.PAUSED, Program.State.PENDING)
    round_resume(stage.round, admin)
    round_advance(stage.round_id)
    program.refresh_from_db()
    assert (program.state, program.attempt, program.num_lost) == (Program.State.QUEUED, 2, 0)


def deliver(program: Program) -> None:
    """The program's message, as a worker takes it."""
    program_run(program.pk, program.attempt)
    connection.close()


def test_nobody_begins_in_a_folder_that_its_last_worker_has_not_left(tmp_path: Path, admin: User) -> None:
    stage = running_stage()
    program = make_program(tmp_path, "finish", stage=stage)
    claimed = program_claim(program.pk, program.attempt)
    assert claimed is not None
    round_pause(stage.round, admin)
    round_resume(stage.round, admin)
    round_advance(stage.round_id)
    assert Program.objects.get().state == Program.State.PENDING
    program_release(claimed)
    round_advance(stage.round_id)
    assert Program.objects.get().state == Program.State.QUEUED


def test_a_lease_that_ran_out_is_as_good_as_given_back(tmp_path: Path, admin: User) -> None:
    stage = running_stage()
    program = make_program(tmp_path, "finish", stage=stage)
    assert program_claim(program.pk, program.attempt) is not None
    round_pause(stage.round, admin)
    Program.objects.update(lease_expires_at=timezone.now() - timedelta(seconds=1))
    round_resume(stage.round, admin)
    round_advance(stage.round_id)
    assert Program.objects.get().state == Program.State.QUEUED


def test_a_cancelled_round_can_be_gone_on_with(rounds: ScaledRounds, admin: User) -> None:
    round_ = rounds.launch()
    round_advance(round_.pk)
    round_cancel(round_, admin)
    stage = round_.stages.get(name=Stage.Name.AVERAGING)
    assert stage.state == Stage.State.CANCELLED
    with pytest.raises(Conflict):
        round_cancel(round_, admin)
    round_retry(round_, admin)
    assert work(round_).round.state == Round.State.FINISHED
    actions = AuditEntry.objects.filter(action__startswith="round.").order_by("pk")
    done = ["round.cancel", "round.retry", "round.finish"]
    assert list(actions.values_list("action", flat=True)) == done


def test_a_run_with_an_edited_recipe_computes_what_it_changes(finished: Round, admin: User) -> None:
    run = round_rerun(finished, admin, recipe=recipe(4.0))
    assert (run.number, run.run, run.title) == (1, 2, "round 1, run 2")
    with pytest.raises(Conflict):
        round_rerun(finished, admin)
    assert computed(work(run)) == ["second", "sum"]
    anew = round_rerun(finished, admin, from_stage="sft")
    assert (anew.run, computed(work(anew))) == (3, ["first", "second", "sum"])
    with pytest.raises(Invalid):
        round_rerun(finished, admin, from_stage="somewhere")


def test_a_run_that_the_disk_has_no_room_for_needs_a_reason_which_is_kept(
    finished: Round, admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecasting, "disk_free", lambda: 0)
    with pytest.raises(Invalid, match="of disk at one time"):
        round_rerun(finished, admin)
    run = round_rerun(finished, admin, reason="Another disk comes at noon.")
    kept = RoundForecast.objects.get(round=run)
    assert kept.override["reason"] == "Another disk comes at noon."
    taken_over = next(stage for stage in kept.figures["stages"] if stage["stage"] == "averaging")
    assert taken_over["reused"] and taken_over["seconds"]["expected"] == 0
    assert run.stages.get(name=Stage.Name.DATA_GATE).result == {}


def test_a_dry_run_says_what_would_run_and_leaves_nothing(finished: Round) -> None:
    before = list(Program.objects.values_list("pk", flat=True))

    def planned(second: float) -> list[tuple[str, str, str]]:
        found = dry_run(finished.project, finished.base, recipe(second), number=1)
        return [(each.name, each.does, each.depends_on) for each in found if each.stage == "averaging"]

    assert planned(3.0) == [("first", "reuse", ""), ("second", "reuse", ""), ("sum", "reuse", "")]
    assert planned(4.0) == [
        ("first", "reuse", ""),
        ("second", "run", ""),
        ("sum", "depends", "averaging/second"),
    ]
    later = dry_run(finished.project, finished.base, recipe(4.0), number=1)[-1]
    assert (later.stage, later.does, later.depends_on) == ("evaluation", "depends", "averaging/sum")
    assert list(Program.objects.values_list("pk", flat=True)) == before
    assert Round.objects.count() == 1
    run_folder = Path(Program.objects.all()[0].folder).parents[2]
    assert [path.name for path in run_folder.parent.iterdir() if "run-0" in path.name] == []


def test_the_command_line_acts_on_the_last_run(finished: Round) -> None:
    where = ["--project", finished.project.slug, "--number", "1"]
    told = StringIO()
    call_command("rerun_round", *where, "--dry-run", "--from-stage", "dpo", stdout=told)
    assert "averaging/first     runs" in told.getvalue()
    assert "Disk: " in told.getvalue()
    call_command("rerun_round", *where, stdout=told)
    run = Round.objects.get(run=2)
    for command, state in (
        ("pause_round", "paused"),
        ("resume_round", "running"),
        ("cancel_round", "cancelled"),
        ("retry_round", "running"),
    ):
        call_command(command, *where, stdout=told)
        assert state_of(run) == state
    with pytest.raises(CommandError, match="is running, not failed or cancelled"):
        call_command("retry_round", *where)
    with pytest.raises(CommandError, match="There are: round 1, round 1, run 2"):
        call_command("pause_round", "--project", finished.project.slug, "--number", "7")


def test_the_api_and_the_page_do_the_same(finished: Round, admin: User) -> None:
    client = Client()
    client.force_login(admin)
    body = {"recipe": recipe(4.0).model_dump(mode="json"), "dry_run": True}
    told = client.post(f"/api/v1/rounds/{finished.pk}/rerun", json.dumps(body), "application/json")
    assert [each["does"] for each in told.json()["programs"]][:3] == ["reuse", "run", "depends"]
    stages = {each["stage"]: each for each in told.json()["forecast"]["stages"]}
    whole = round_forecast(finished.project, finished.base, recipe(4.0)).of("averaging")
    assert whole is not None and stages["averaging"]["amount"] == pytest.approx(whole.amount * 2 / 3)
    url = reverse("round-rerun", kwargs={"pk": finished.pk})
    assert "from_stage" in client.get(url).content.decode()
    form = {"recipe": json.dumps(body["recipe"]), "from_stage": ""}
    assert "be taken over" in client.post(url, {**form, "act": "preview"}).content.decode()
    assert client.post(url, {"recipe": "{", "from_stage": ""}).status_code == 422
    assert client.post(url, form).status_code == 302
    run = Round.objects.get(run=2)
    assert client.post(f"/api/v1/rounds/{run.pk}/pause").json()["state"] == "paused"
    assert client.post(f"/api/v1/rounds/{run.pk}/pause").status_code == 409
    page = reverse("round", kwargs={"pk": run.pk})
    assert "Resume" in client.get(page).content.decode()
    client.post(reverse("round-resume", kwargs={"pk": run.pk}))
    assert state_of(run) == "running"
    client.post(reverse("round-resume", kwargs={"pk": run.pk}))
    assert "is running, not paused" in client.get(page).content.decode()
    assert client.post(f"/api/v1/rounds/{run.pk}/cancel").json()["state"] == "cancelled"
    assert client.post(f"/api/v1/rounds/{run.pk}/retry").json()["state"] == "running"


def test_the_launch_page_shows_what_is_taken_over_and_states_the_bases_licence(
    finished: Round, admin: User
) -> None:
    client = Client()
    client.force_login(admin)
    form = {
        "project": finished.project.slug,
        "base": finished.base.name,
        "base_licence": "apache-2.0",
        "recipe_name": "tiny",
        "recipe_json": json.dumps(recipe(4.0).model_dump(mode="json")),
    }
    text = client.post(reverse("round-plan"), form).content.decode()
    assert "1 program is taken over." in text and "be taken over" in text
    assert Round.objects.count() == 1
    refused = client.post(reverse("round-new"), {**form, "base_licence": "<all rights>"})
    assert "Give a licence" in refused.content.decode()
    assert "judgements can train" in client.post(reverse("round-new"), form).content.decode()
    finished.base.refresh_from_db()
    assert finished.base.licence == ""  # nothing of a refused launch stays
    checkpoint_licence_set(finished.base, "apache-2.0", actor=admin)
    refused = client.post(reverse("round-new"), {**form, "base_licence": "mit"})
    assert "is under apache-2.0" in refused.content.decode()
