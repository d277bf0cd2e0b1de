"""Annotation's pages in Django's admin, and the API's description of itself."""

import pytest
from django.test import Client

from accounts.models import Role
from accounts.services import user_create
from annotation.models import Comparison
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project

pytestmark = pytest.mark.django_db


def test_every_list_opens_and_judgements_cannot_be_changed(client: Client) -> None:
    project = make_project()
    make_comparison(project, "Why?")
    annotator = Annotator(make_annotator(project))
    judgement = annotator.judge(annotator.next(project)).body
    client.force_login(user_create(username="root", role=Role.ADMIN))
    for page in ("project", "prompt", "comparison", "judgement", "flag"):
        assert client.get(f"/admin/annotation/{page}/").status_code == 200
    assert client.get(f"/admin/annotation/project/{project.pk}/change/").status_code == 200
    page = f"/admin/annotation/judgement/{judgement['id']}"
    assert client.post(f"{page}/change/", {"strength": "better"}).status_code == 403
    assert client.post(f"{page}/delete/").status_code == 403


@pytest.mark.parametrize(("action", "state"), [("hand_out_again", "open"), ("withdraw", "withdrawn")])
def test_flagged_comparisons_are_resolved_there(client: Client, action: str, state: str) -> None:
    project = make_project()
    flagged, other = make_comparison(project, "Why?"), make_comparison(project, "Who?")
    Comparison.objects.filter(pk=flagged.pk).update(state="flagged")
    client.force_login(user_create(username="root", role=Role.ADMIN))
    client.post(
        "/admin/annotation/comparison/",
        {"action": action, "_selected_action": [str(flagged.pk), str(other.pk)]},
    )
    assert Comparison.objects.get(pk=flagged.pk).state == state
    assert Comparison.objects.get(pk=other.pk).state == "open"


def test_the_api_describes_every_path_of_the_contract(client: Client) -> None:
    paths = client.get("/api/v1/openapi.json").json()["paths"]
    for path in (
        "/api/v1/projects/{slug}/next",
        "/api/v1/comparisons/{comparison_id}/judgement",
        "/api/v1/comparisons/{comparison_id}/draft",
        "/api/v1/comparisons/{comparison_id}/skip",
        "/api/v1/comparisons/{comparison_id}/flag",
        "/api/v1/dialogs/{dialog_id}/turn",
    ):
        assert path in paths, sorted(paths)
    headers = paths["/api/v1/comparisons/{comparison_id}/judgement"]["post"]["parameters"]
    assert [parameter["name"] for parameter in headers] == ["comparison_id", "Idempotency-Key"]
