"""The deployments of a project: the page, the API and the command, for site admins."""

import uuid
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.test import Client
from django.utils import timezone

from accounts.models import Role, User
from accounts.services import user_create
from annotation.models import Assignment, Comparison, Project, Release, Response
from annotation.services import project_deploy, release_go_live
from registry.models import Deployment
from tests.annotation.factories import make_annotator, make_comparisons
from tests.annotation.test_pairing import make_deployment
from webhooks.models import Delivery
from webhooks.services import endpoint_create

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    """With two releases behind it, the second of which answers."""
    made = Project.objects.create(slug="helpful", name="Helpful")
    for pair in (("one", "two"), ("six", "ten")):
        project_deploy(made, [make_deployment(name) for name in pair], next_round=1)
    return made


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(user_create(username="root", role=Role.ADMIN))
    return client


def test_one_click_asks_for_the_release_before_and_another_gives_it_up(
    project: Project, admin: Client
) -> None:
    page = "/projects/helpful/deployments/"
    shown = admin.get(page).content.decode()
    assert "Roll back to release 1" in shown
    assert "six" in shown and "Release 2, since" in shown

    assert admin.post(f"{page}act/", {"to": "1"}).status_code == 302
    waiting = Release.objects.get(state="pending")
    assert (waiting.restores and waiting.restores.number, str(waiting.requested_by)) == (1, "root")
    shown = admin.get(page).content.decode()
    assert "Release 3 is being deployed" in shown
    assert "Roll back" not in shown
    assert set(project.deployments.values_list("name", flat=True)) == {"six", "ten"}

    admin.post(f"{page}act/", {"act": "cancel"})
    assert Release.objects.get(number=3).state == "cancelled"
    assert not Deployment.objects.filter(state="requested").exists()
    assert (
        "No deploy is under way" in admin.post(f"{page}act/", {"act": "cancel"}, follow=True).content.decode()
    )


def test_the_api_lists_releases_and_rolls_back(project: Project, admin: Client) -> None:
    path = "/api/v1/projects/helpful/releases"
    releases = admin.get(path).json()
    assert [(each["number"], each["state"]) for each in releases] == [(2, "live"), (1, "replaced")]
    assert [each["checkpoint"] for each in releases[0]["models"]] == ["six", "ten"]

    def roll_back(**body: int) -> tuple[int, str]:
        answer = admin.post(f"{path}/roll-back", body, content_type="application/json")
        told = answer.json()
        return answer.status_code, told.get("detail", told.get("state"))

    assert roll_back() == (202, "pending")
    assert roll_back(to=7)[0] == 422
    assert roll_back(to=2) == (409, "Release 2 is what answers now: choose an earlier one.")


def test_the_command_rolls_back_and_tells_what_became_of_it(project: Project) -> None:
    endpoint_create(url="https://example.org/hook", events=["deploy.rolled_back"], actor=None)
    with pytest.raises(CommandError, match=r"is `make serve` .* running"):
        call_command("roll_back", project="helpful", wait=0.01)
    waiting = Release.objects.get(state="pending")
    waiting.deployments.update(state="ready")
    assert release_go_live(waiting)
    assert Delivery.objects.get().body["data"] == {"project": "helpful", "release": 3, "made_by_round": None}
    out = StringIO()
    call_command("deploy_models", "one", "two", project="helpful", wait=5, stdout=out)
    assert out.getvalue() == "Live: one, two.\n"
    with pytest.raises(CommandError, match="There is no project"):
        call_command("roll_back", project="nothing")


def test_open_pairs_of_a_release_that_was_rolled_back_are_withdrawn(project: Project, admin: Client) -> None:
    live, before = Release.objects.order_by("-number")
    pairs = make_comparisons(project, 4)
    for pair in pairs:
        wrote = before if pair != pairs[3] else live
        Response.objects.filter(pk__in=[pair.left_id, pair.right_id]).update(release=wrote)
    Comparison.objects.filter(pk=pairs[1].pk).update(num_judgements=1, needed=2)
    hold(pairs[2], make_annotator(project))
    page = "/projects/helpful/deployments/"
    assert "Withdraw the open pairs of release 1" in admin.get(page).content.decode()
    releases = admin.get("/api/v1/projects/helpful/releases").json()
    assert [each["num_open"] for each in releases] == [1, 2]
    shown = admin.post(f"{page}act/", {"act": "withdraw", "of": "1"}, follow=True).content.decode()
    assert "1 open pair is withdrawn" in shown
    states = dict(Comparison.objects.values_list("pk", "state"))
    assert [states[pair.pk] for pair in pairs] == ["withdrawn", "open", "open", "open"]
    refused = admin.post("/api/v1/projects/helpful/releases/2/withdraw-pairs")
    assert (refused.status_code, "roll back first" in refused.content.decode()) == (409, True)
    again = admin.post("/api/v1/projects/helpful/releases/1/withdraw-pairs")
    assert again.json() == {"withdrawn": 0}
    assert admin.post("/api/v1/projects/helpful/releases/9/withdraw-pairs").status_code == 404


def hold(pair: Comparison, person: User) -> None:
    """Let somebody have the pair in hand."""
    Assignment.objects.create(
        comparison=pair,
        project=pair.project,
        annotator=person,
        lease=uuid.uuid4(),
        expires_at=timezone.now() + timedelta(minutes=5),
    )
