"""Inviting people: one link makes one account, once and in time, with what it offers and no more."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.errors import Forbidden, Gone
from accounts.identities import identity_enter
from accounts.models import AuditEntry, Role, User
from accounts.oidc_provider import OidcProvider
from accounts.services import user_create
from accounts.sessions import sessions_list
from annotation.models import Invitation, Project
from annotation.services.erasing import person_erase
from annotation.services.invitations import invitation_accept, invitation_create
from tests.annotation.factories import make_project

PASSWORD = "a quiet morning in June"
NEWCOMER = {"username": "ann", "password": PASSWORD, "again": PASSWORD}

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker")]


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Checking a password takes a second of work on purpose; here that only costs time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def admin() -> User:
    return user_create(username="maria", role=Role.ADMIN)


@pytest.fixture
def project() -> Project:
    return make_project("helpful")


def invite(admin: User, project: Project, *, role: Role = Role.ANNOTATOR, days: int = 7) -> str:
    """The secret of a new invitation."""
    _, secret = invitation_create(
        role=role,
        expires_at=timezone.now() + timedelta(days=days),
        actor=admin,
        note="Ann of the new team",
        projects=[project],
        project_role=Role.REVIEWER,
    )
    return secret


def actions() -> list[str]:
    return list(AuditEntry.objects.order_by("pk").values_list("action", flat=True))


def test_an_admin_makes_a_link_that_makes_an_account(admin: User, project: Project) -> None:
    desk, newcomer = Client(), Client()
    desk.force_login(admin)
    form = {"note": "Ann", "days": "1", "role": "reviewer", "projects": [project.pk], "project_role": "admin"}
    page = desk.post("/invitations/", form).content.decode()
    path = page.split("http://testserver")[1].split("<")[0]
    assert path not in desk.get("/invitations/").content.decode(), "the link is shown once"
    assert path.split("/")[2] not in str(Invitation.objects.values()), "and kept as a hash"

    answer = newcomer.get(path)
    assert (answer.status_code, answer["Location"]) == (302, "/join/")
    assert "maria has invited you" in newcomer.get("/join/").content.decode()
    answer = newcomer.post("/join/", NEWCOMER)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert newcomer.get("/").status_code == 200
    ann = User.objects.get(username="ann")
    assert (ann.role, ann.memberships.get().role) == (Role.REVIEWER, Role.ADMIN)
    assert len(sessions_list(ann, this=None)) == 1
    assert actions()[-5:] == [
        "invitation.create",
        "user.create",
        "membership.set",
        "invitation.accept",
        "user.login",
    ]
    assert "accepted by ann" in desk.get("/invitations/").content.decode()
    again = Client().get(path)
    assert again.status_code == 410
    assert "has been used" in again.content.decode()


def test_what_does_not_fit_leaves_the_invitation_open(admin: User, project: Project) -> None:
    browser = Client()
    browser.get(f"/join/{invite(admin, project)}/")
    for changed, told in (
        ({"username": "maria"}, "There is a user &#x27;maria&#x27; already"),
        ({"username": "a b"}, "Enter a valid username"),
        ({"password": "short", "again": "short"}, "too short"),
        ({"again": "something else"}, "The two passwords differ"),
    ):
        answer = browser.post("/join/", {**NEWCOMER, **changed})
        assert answer.status_code == 422
        assert told in answer.content.decode()
    assert User.objects.count() == 1
    assert browser.post("/join/", NEWCOMER).status_code == 302


@pytest.mark.parametrize(
    ("become", "told"),
    [("revoked", "was revoked"), ("expired", "has expired"), ("orphaned", "may invite nobody any more")],
)
def test_a_link_that_is_over_says_so(admin: User, project: Project, become: str, told: str) -> None:
    secret = invite(admin, project, days=-1 if become == "expired" else 1)
    begun, desk = Client(), Client()
    desk.force_login(admin)
    if become != "expired":
        assert begun.get(f"/join/{secret}/").status_code == 302
    if become == "revoked":
        assert desk.post(f"/invitations/{Invitation.objects.get().pk}/revoke/").status_code == 302
    if become == "orphaned":
        User.objects.update(role=Role.ANNOTATOR, is_superuser=False)
    answer = Client().get(f"/join/{secret}/")
    assert answer.status_code == 410
    assert told in answer.content.decode()
    if become != "expired":
        assert begun.post("/join/", NEWCOMER).status_code == 410, "also for who has opened it before"
    assert not User.objects.filter(username="ann").exists()


def test_links_that_never_were_and_browsers_that_were_not_invited(admin: User, project: Project) -> None:
    assert "copy the whole link" in Client().get("/join/nothing/").content.decode()
    assert Client().get("/join/").status_code == 404
    signed_in = Client()
    signed_in.force_login(admin)
    assert signed_in.get(f"/join/{invite(admin, project)}/", follow=True).status_code == 409


def test_an_accepted_invitation_is_not_revoked(admin: User, project: Project) -> None:
    invitation_accept(invite(admin, project), username="ann", password=PASSWORD)
    desk = Client()
    desk.force_login(admin)
    answer = desk.post(f"/invitations/{Invitation.objects.get().pk}/revoke/")
    assert answer.status_code == 409
    assert "accepted before" in answer.content.decode()


def test_only_admins_of_the_whole_site_invite(project: Project) -> None:
    with pytest.raises(Forbidden):
        invite(user_create(username="tomas", role=Role.REVIEWER), project)


@pytest.mark.django_db(transaction=True)
def test_two_who_accept_at_once_get_one_account(admin: User, project: Project) -> None:
    secret, together = invite(admin, project), Barrier(2)

    def accept(name: str) -> bool:
        together.wait()
        try:
            invitation_accept(secret, username=name, password=PASSWORD)
        except Gone:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(accept, ["ann", "bob"])) == [False, True]
    assert User.objects.count() == 2


def test_an_invitation_is_accepted_by_an_identity_and_forgotten_with_the_person(
    admin: User, project: Project, tmp_path: Path
) -> None:
    provider = OidcProvider(
        issuer="https://id.example.org", client_id="a", secret_file=tmp_path / "s", name="Example"
    )
    secret = invite(admin, project, role=Role.REVIEWER)

    def make(*, username: str, email: str) -> User:
        return invitation_accept(secret, username=username, password=None, email=email, by="oidc")

    ann = identity_enter(provider, "1", {"preferred_username": "ann"}, make=make)
    assert (ann.role, ann.memberships.count(), ann.has_usable_password()) == (Role.REVIEWER, 1, False)
    with pytest.raises(Gone):
        identity_enter(provider, "2", {"preferred_username": "bob"}, make=make)
    assert identity_enter(provider, "1", {}, make=make) == ann, "who is known needs none"
    person_erase(ann, actor=None)
    assert Invitation.objects.get().note == "[erased]"
