"""Answers written anew after a person's feedback: by their own model, kept step by step, and unnamed."""

import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from annotation.models import Edit, Project, Refinement, Response
from annotation.selectors import preference_records
from annotation.services import pair_run, refinement_run, turn_ask
from registry.models import Deployment
from tests.annotation.factories import Annotator, Reply, make_annotator, make_comparison, make_project
from tests.annotation.model_server import ModelServer, deploy, model_server
from tests.annotation.test_background_turns import Away
from tests.annotation.test_pairing import Models, echo

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project()


@pytest.fixture
def models(project: Project) -> Models:
    return Models(project, first=echo("first"), second=echo("second"))


@pytest.fixture
def annotator(project: Project) -> Annotator:
    return Annotator(make_annotator(project))


def handed(project: Project, annotator: Annotator, models: Models) -> Any:
    """A comparison of answers that the project's models wrote: the left one by `first`."""
    made = make_comparison(project, "Why?", answers=("because it is so", "for a reason"))
    for response, name in ((made.left, "first"), (made.right, "second")):
        deployment = Deployment.objects.get(name=name)
        response.deployment, response.checkpoint, response.model_name = (
            deployment,
            deployment.checkpoint,
            name,
        )
        response.save()
    return annotator.next(project)


def refine(annotator: Annotator, comparison: Any, text: str, feedback: str, **fields: Any) -> Reply:
    """Ask for it."""
    body = {"lease": comparison["lease"], "side": "left", "text": text, "feedback": feedback, **fields}
    return annotator.call("POST", f"/comparisons/{comparison['id']}/refinements", body)


def test_the_answers_own_model_writes_it_anew_and_earlier_feedback_stays(
    project: Project, annotator: Annotator, models: Models
) -> None:
    comparison = handed(project, annotator, models)
    reply = refine(annotator, comparison, "because it is so", "shorter")
    assert (reply.status, reply.body["state"], reply.body["content"]) == (202, "waiting", "")
    refinement_run(reply.body["id"], client_for=models.client_for)
    done = annotator.call("GET", f"/refinements/{reply.body['id']}").body
    assert done["state"] == "ready"
    assert done["content"].startswith("first ")
    assert "first" not in str({**done, "content": ""})
    assert models.by_name["second"].contexts == []

    again = refine(annotator, comparison, done["content"] + " by hand", "friendlier")
    refinement_run(again.body["id"], client_for=models.client_for)
    roles = [message.role for message in models.by_name["first"].contexts[-1]]
    texts = [message.content for message in models.by_name["first"].contexts[-1]]
    assert roles == ["user", "assistant", "user", "assistant", "user"]
    assert texts[1] == "because it is so"
    assert "shorter" in texts[2]
    assert texts[3] == done["content"] + " by hand"
    assert "friendlier" in texts[4]

    afresh = refine(annotator, comparison, "because it is so", "longer")
    refinement_run(afresh.body["id"], client_for=models.client_for)
    assert len(models.by_name["first"].contexts[-1]) == 3


@pytest.mark.parametrize(("by_hand", "writer"), [("", "first"), (" and more", "person")])
def test_the_record_says_who_wrote_the_edit(
    project: Project, annotator: Annotator, models: Models, by_hand: str, writer: str
) -> None:
    comparison = handed(project, annotator, models)
    asked = refine(annotator, comparison, "because it is so", "shorter").body["id"]
    refinement_run(asked, client_for=models.client_for)
    content = annotator.call("GET", f"/refinements/{asked}").body["content"]
    reply = annotator.judge(comparison, edited=content + by_hand)
    assert reply.status == 201
    assert "model" not in str(reply.body)
    (record,) = preference_records(project)
    assert (record.responses[0].origin, record.responses[0].model) == ("edited", writer)
    assert (Edit.objects.count(), Refinement.objects.count()) == (1, 1)


def test_one_refinement_at_a_time_and_the_same_again_is_the_same(
    project: Project, annotator: Annotator, models: Models
) -> None:
    comparison = handed(project, annotator, models)
    first = refine(annotator, comparison, "because it is so", "shorter")
    assert refine(annotator, comparison, "because it is so", "shorter").body["id"] == first.body["id"]
    other = refine(annotator, comparison, "because it is so", "longer")
    assert (other.status, "being refined already" in other.body["detail"]) == (409, True)
    for _ in range(2):
        assert annotator.call("DELETE", f"/refinements/{first.body['id']}").status == 204
    refinement_run(first.body["id"], client_for=models.client_for)
    assert annotator.call("GET", f"/refinements/{first.body['id']}").body["state"] == "cancelled"
    assert models.by_name["first"].contexts == []
    assert refine(annotator, comparison, "because it is so", "longer").status == 202


def test_a_refinement_is_for_the_holder_of_the_comparison_alone(
    project: Project, annotator: Annotator, models: Models
) -> None:
    other = Annotator(make_annotator(project, "bob"))
    comparison = handed(project, annotator, models)
    assert refine(other, comparison, "because it is so", "shorter").status == 403
    asked = refine(annotator, comparison, "because it is so", "shorter").body["id"]
    for method in ("GET", "DELETE"):
        assert other.call(method, f"/refinements/{asked}").status == 404
    bad: list[dict[str, Any]] = [{"feedback": " "}, {"text": ""}, {"side": "middle"}, {"wait": 31}]
    for fields in bad:
        assert refine(annotator, comparison, **{"text": "so", "feedback": "why", **fields}).status == 422
    assert annotator.judge(comparison).status == 201
    assert refine(annotator, comparison, "because it is so", "shorter").status == 409


def test_an_answer_whose_model_is_gone_or_away_is_told_without_a_name(
    project: Project, annotator: Annotator, models: Models
) -> None:
    comparison = handed(project, annotator, models)
    asked = refine(annotator, comparison, "because it is so", "shorter").body["id"]
    Refinement.objects.update(attempts=2)
    refinement_run(asked, client_for=lambda deployment: Away())
    failed = annotator.call("GET", f"/refinements/{asked}").body
    assert (failed["state"], "do not answer right now" in failed["error"]) == ("failed", True)
    Deployment.objects.filter(name="first").update(state="retired")
    other = refine(annotator, comparison, "because it is so", "shorter")
    assert other.status == 202, "by another model: nobody can tell by a refusal which answer was imported"
    assert Refinement.objects.latest("pk").model_name == "second"
    annotator.call("DELETE", f"/refinements/{other.body['id']}")
    Deployment.objects.update(state="retired")
    reply = refine(annotator, comparison, "because it is so", "shorter")
    assert (reply.status, "edit it by hand" in reply.body["detail"]) == (409, True)
    assert "first" not in str(reply.body) + str(failed)


@pytest.mark.django_db(transaction=True)
def test_a_caller_may_wait_for_a_refinement_by_a_real_server(
    project: Project, tmp_path: Path, broker: str
) -> None:
    annotator = Annotator(make_annotator(project))
    with model_server(tmp_path / "tokenizer", _says) as server:
        deploy(project, server, tmp_path / "tokenizer", "one", "two")
        make_comparison(project, "Why?")
        annotator.judge(annotator.next(project))
        dialog = Response.objects.get(content="an answer").right_of.get().dialog_id
        asked, _ = turn_ask(dialog_id=dialog, annotator=annotator.user, content="And?")
        pair_run(asked.pk)
        comparison = annotator.next(project)
        server.hold()
        body = {"text": comparison["left"]["content"], "feedback": "the date is wrong"}
        assert refine(annotator, comparison, **body, wait=0.3).status == 202
        writer = _worker()
        server.let_go()
        reply = refine(annotator, comparison, **body, wait=20)
        writer.join()
    assert (reply.status, reply.body["content"]) == (201, "in 1969")
    assert _asked_the_writer(server, comparison)


def _says(model: str, prompt: str) -> str:
    return "in 1969" if "the date is wrong" in prompt else f"{model} says 1968"


def _worker() -> threading.Thread:
    """What a worker does, beside the caller that waits."""

    def run() -> None:
        try:
            refinement_run(Refinement.objects.get().pk)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def _asked_the_writer(server: ModelServer, comparison: Any) -> bool:
    model, _ = server.prompts[-1]
    return bool(comparison["left"]["content"] == f"{model} says 1968")
