"""Turns in the background: nobody waits, nothing is lost or doubled, and both answers come together."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import Role
from annotation.figures.waits import wait_report
from annotation.models import Comparison, PairRequest, Project, Response, Wait
from annotation.services import pair_run
from annotation.services.jobs import job_claim
from annotation.services.turns import pair_write
from registry.client import ModelAway
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project
from tests.annotation.test_pairing import Models, echo, judged_dialog

pytestmark = pytest.mark.django_db

AWAY = ModelAway("The model orchid-secret at http://10.0.0.7 does not answer (refused).")


def ask(annotator: Annotator, comparison: Comparison, content: str = "And then?") -> Any:
    """The next message, in the background."""
    body = {"content": content, "background": True}
    return annotator.call("POST", f"/dialogs/{comparison.dialog_id}/turn", body)


def pairs(annotator: Annotator, project: Project) -> Any:
    """What the person waits for."""
    return annotator.call("GET", f"/projects/{project.slug}/pairs").body


class Away:
    """A model that never answers."""

    def complete(self, contexts: Any, **settings: Any) -> Any:
        """As the client of a dead server."""
        raise AWAY


def due(request: PairRequest) -> None:
    """Let its worker's lease, or its pause, run out."""
    PairRequest.objects.filter(pk=request.pk).update(due_at=timezone.now() - timedelta(seconds=1))


def test_a_turn_is_written_in_the_background_and_comes_next() -> None:
    project = make_project()
    annotator = Annotator(make_annotator(project))
    comparison = judged_dialog(project, annotator, preferred="right", edited="the edited answer")
    for number in range(2):
        make_comparison(project, f"other {number}")
    models = Models(project, one=echo("one"), two=echo("two"))
    reply = ask(annotator, comparison)
    assert (reply.status, reply.body["state"], reply.body["content"]) == (202, "waiting", "And then?")
    other = annotator.next(project)
    assert other["turn"] == 0
    pair_run(reply.body["id"], client_for=models.client_for)
    assert [pair["state"] for pair in pairs(annotator, project)] == ["ready"]
    assert annotator.next(project)["id"] == other["id"]
    annotator.judge(other)
    with CaptureQueriesContext(connection) as queries:
        handed = annotator.next(project)
    # Without those of the test's own savepoints.
    sql = [each["sql"] for each in queries if "SAVEPOINT" not in each["sql"]]
    assert len(sql) <= 8, sql
    assert (handed["turn"], handed["dialog"]) == (1, comparison.dialog_id)
    assert [message["content"] for message in handed["context"]] == [
        "Why?",
        "the edited answer",
        "And then?",
    ]
    assert {handed["left"]["content"], handed["right"]["content"]} == {"one And then?", "two And then?"}
    assert pairs(annotator, project) == []
    request = PairRequest.objects.get()
    assert (request.state, request.comparison_id, request.waited_seconds) == ("shown", handed["id"], 0.0)
    assert annotator.judge(handed).status == 201
    last = annotator.next(project)
    assert last["turn"] == 0
    annotator.judge(last)
    with CaptureQueriesContext(connection) as queries:
        assert annotator.next(project) is None
    assert len([each for each in queries if "SAVEPOINT" not in each["sql"]]) <= 8


def test_a_pair_waits_for_the_person_who_asked_and_for_nobody_else() -> None:
    project = make_project(overlap=2)
    ann, bob = (Annotator(make_annotator(project, name)) for name in ("ann", "bob"))
    comparison = judged_dialog(project, ann)
    models = Models(project, one=echo("one"), two=echo("two"))
    pair_run(ask(ann, comparison).body["id"], client_for=models.client_for)
    assert bob.judge(bob.next(project)).status == 201
    assert bob.next(project) is None
    assert ask(bob, comparison).status == 409
    assert pairs(bob, project) == []
    request = PairRequest.objects.get()
    for method, path in (("POST", f"/pairs/{request.pk}/retry"), ("DELETE", f"/pairs/{request.pk}")):
        assert bob.call(method, path).status == 404
    assert ann.next(project)["turn"] == 1


def test_a_message_delivered_twice_asks_the_models_once() -> None:
    project = make_project()
    annotator = Annotator(make_annotator(project))
    comparison = judged_dialog(project, annotator)
    models = Models(project, one=echo("one"), two=echo("two"))
    first, again = ask(annotator, comparison), ask(annotator, comparison)
    assert (again.status, again.body["id"]) == (202, first.body["id"])
    for _ in range(2):
        pair_run(first.body["id"], client_for=models.client_for)
    assert len(models.by_name["one"].contexts) == 1
    assert annotator.next(project)["turn"] == 1
    pair_run(first.body["id"], client_for=models.client_for)
    assert Comparison.objects.count() == 2
    assert ask(annotator, comparison, "Other words").status == 403


def test_what_a_dead_worker_held_is_taken_over_and_its_late_answers_are_void() -> None:
    project = make_project()
    annotator = Annotator(make_annotator(project))
    request_id = ask(annotator, judged_dialog(project, annotator)).body["id"]
    models = Models(project, one=echo("one"), two=echo("two"))
    slow = job_claim(PairRequest, request_id)
    assert slow is not None
    assert job_claim(PairRequest, request_id) is None, "its worker is alive: nobody takes it over"
    due(slow)
    pair_run(request_id, client_for=models.client_for)
    pair_write(slow, client_for=models.client_for)
    request = PairRequest.objects.get()
    assert (request.state, request.attempts, len(models.by_name["one"].contexts)) == ("ready", 2, 2)
    assert Response.objects.count() == 4, "two of the first turn, two of this one"
    assert annotator.next(project)["turn"] == 1


def test_a_model_that_is_away_is_asked_again_and_then_given_up_without_its_name() -> None:
    project = make_project()
    annotator = Annotator(make_annotator(project))
    comparison = judged_dialog(project, annotator)
    models = Models(project, one=echo("one"), two=echo("two"))
    request_id = ask(annotator, comparison).body["id"]
    for attempt in range(1, 4):
        pair_run(request_id, client_for=lambda deployment: Away())
        request = PairRequest.objects.get()
        assert (request.attempts, request.state) == (attempt, "failed" if attempt == 3 else "waiting")
        pair_run(request_id, client_for=models.client_for)
        assert PairRequest.objects.get().attempts == attempt, "not before its pause is over"
        due(request)
    (failed,) = pairs(annotator, project)
    assert (failed["state"], failed["content"]) == ("failed", "And then?")
    assert "do not answer right now" in failed["error"]
    assert "orchid" not in str(failed)
    assert annotator.call("POST", f"/pairs/{request_id}/retry").body["state"] == "waiting"
    pair_run(request_id, client_for=models.client_for)
    assert annotator.next(project)["turn"] == 1


def test_no_error_of_a_synchronous_turn_names_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    project = make_project()
    annotator = Annotator(make_annotator(project))
    comparison = judged_dialog(project, annotator)
    Models(project, one=echo("one"), two=echo("two"))

    def away(*_: object, **__: object) -> None:
        raise AWAY

    monkeypatch.setattr("annotation.services.turns.pair_generate_one", away)
    reply = annotator.call("POST", f"/dialogs/{comparison.dialog_id}/turn", {"content": "And then?"})
    assert reply.status == 503
    assert "orchid" not in str(reply.body)
    assert [pair["state"] for pair in pairs(annotator, project)] == ["failed"]


def test_a_request_whose_workers_keep_dying_ends_with_a_sentence() -> None:
    project = make_project()
    annotator = Annotator(make_annotator(project))
    request_id = ask(annotator, judged_dialog(project, annotator)).body["id"]
    PairRequest.objects.update(attempts=3, state="running", due_at=timezone.now() - timedelta(seconds=1))
    pair_run(request_id, client_for=lambda deployment: Away())
    (failed,) = pairs(annotator, project)
    assert (failed["state"], "interrupted several times" in failed["error"]) == ("failed", True)


def test_identical_answers_end_it_and_other_words_ask_anew() -> None:
    project = make_project()
    annotator = Annotator(make_annotator(project))
    comparison = judged_dialog(project, annotator)
    models = Models(project, one=echo("one"), two=lambda question, _: f"one {question.replace('!', '?')}")
    request_id = ask(annotator, comparison).body["id"]
    pair_run(request_id, client_for=models.client_for)
    assert "identical answers" in pairs(annotator, project)[0]["error"]
    assert ask(annotator, comparison, "And then!").body["id"] == request_id
    pair_run(request_id, client_for=models.client_for)
    assert annotator.next(project)["context"][-1]["content"] == "And then!"


def test_a_dropped_pair_does_not_come_and_makes_room_for_others() -> None:
    project = make_project(overlap=2)
    ann, bob = (Annotator(make_annotator(project, name)) for name in ("ann", "bob"))
    comparison = judged_dialog(project, ann)
    models = Models(project, one=echo("one"), two=echo("two"))
    request_id = ask(ann, comparison).body["id"]
    for _ in range(2):
        assert ann.call("DELETE", f"/pairs/{request_id}").status == 204
    pair_run(request_id, client_for=models.client_for)
    assert ann.next(project) is None
    assert bob.judge(bob.next(project)).status == 201
    assert ask(bob, comparison).status == 202


def test_what_a_person_really_waited_is_kept() -> None:
    project = make_project()
    annotator = Annotator(make_annotator(project))
    comparison = judged_dialog(project, annotator)
    models = Models(project, one=echo("one"), two=echo("two"))
    request_id = ask(annotator, comparison).body["id"]
    assert annotator.next(project) is None
    now = timezone.now()
    PairRequest.objects.update(asked_at=now - timedelta(seconds=20))
    Wait.objects.update(since=now - timedelta(seconds=12), seen_at=now - timedelta(seconds=2))
    assert annotator.next(project) is None
    pair_run(request_id, client_for=models.client_for)
    assert annotator.next(project)["turn"] == 1
    request = PairRequest.objects.get()
    assert request.waited_seconds == pytest.approx(12, abs=2)
    assert request.seconds is not None
    assert Wait.objects.get().since is None


def test_waits_are_reported_to_admins_by_day() -> None:
    project = make_project()
    annotator = Annotator(make_annotator(project))
    comparison = judged_dialog(project, annotator)
    models = Models(project, one=echo("one"), two=echo("two"))
    assert wait_report(project) is None
    pair_run(ask(annotator, comparison).body["id"], client_for=models.client_for)
    annotator.next(project)
    first = PairRequest.objects.get()
    now = timezone.now()
    for number, (days, writing, waiting) in enumerate([(1, 2.0, 0.0), (1, 4.0, 0.0), (0, 9.0, 30.0)]):
        PairRequest.objects.create(
            project=project,
            annotator=annotator.user,
            dialog=first.dialog,
            turn=10 + number,
            context=[],
            round=1,
            left=first.left,
            right=first.right,
            state="shown",
            shown_at=now - timedelta(days=days),
            seconds=writing,
            waited_seconds=waiting,
        )
    first.delete()
    report = wait_report(project)
    assert report is not None
    assert (report.whole.num_pairs, report.whole.num_waited, report.whole.writing.median) == (3, 1, 4.0)
    yesterday, today = report.days
    assert (yesterday.writing.median, yesterday.waiting.p95) == (3.0, 0.0)
    assert today.waiting.median == 30.0
    client = Client()
    for name, role, sees in (("rev", Role.REVIEWER, False), ("boss", Role.ADMIN, True)):
        client.force_login(make_annotator(project, name, role))
        page = client.get(f"/projects/{project.slug}/reports/")
        assert (page.status_code, b"Waits for live pairs" in page.content) == (200, sees)
