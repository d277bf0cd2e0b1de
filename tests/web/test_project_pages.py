"""Project pages: what admins do there, and that nobody else can."""

import gzip
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import AuditEntry, Role, User
from accounts.services import user_create
from annotation.models import Assignment, Comparison, Flag, Membership, Project, Prompt
from annotation.services import comparison_flag, comparison_next
from tests.annotation.factories import make_annotator, make_comparison, make_comparisons, make_project

pytestmark = pytest.mark.django_db

PAGES = ("", "prompts/", "people/", "flagged/", "reports/", "data/", "quality/", "settings/")
ONLY_ADMINS = {"quality/", "settings/"}
SETTINGS = {
    "name": "Helpful",
    "description": "",
    "guidelines": "Be **kind**.",
    "overlap": "2",
    "lease_seconds": "300",
    "temperature": "0.7",
    "top_p": "0.9",
    "max_tokens": "128",
    "live_ahead": "2",
    "exposure_cap": "0",
    "gold_share": "0",
    "qualification_needed": "0",
    "qualification_pass": "0.8",
    "pause_below": "0",
    "pause_after": "10",
    "edit_share": "0.05",
    "edit_people": "1",
    "overlap_mode": "fixed",
    "overlap_most": "5",
    "certainty": "0.95",
}


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Checking a password takes a second of work on purpose; here that only costs time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def browser_of(user: User) -> Client:
    """A browser in which `user` is logged in."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def project() -> Project:
    return make_project(name="Helpful answers")


@pytest.fixture
def admin() -> User:
    return user_create(username="maria", role=Role.ADMIN)


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize(
    ("role", "may"), [(None, False), (Role.ANNOTATOR, False), (Role.REVIEWER, True), (Role.ADMIN, True)]
)
def test_who_may_see_a_project_page(project: Project, page: str, role: Role | None, may: bool) -> None:
    user = make_annotator(project, role=role) if role else user_create(username="stranger")
    response = browser_of(user).get(f"/projects/{project.slug}/{page}")
    may_see = may and (page not in ONLY_ADMINS or role == Role.ADMIN)
    assert response.status_code == (200 if may_see else 403 if role else 404)


@pytest.mark.parametrize("role", [None, Role.ANNOTATOR, Role.REVIEWER])
def test_only_admins_of_a_project_change_it(project: Project, role: Role | None) -> None:
    user = make_annotator(project, role=role) if role else user_create(username="stranger")
    member = Membership.objects.create(project=project, user=user_create(username="member"))
    browser = browser_of(user)
    url = f"/projects/{project.slug}"
    forms = {
        f"{url}/settings/": SETTINGS,
        f"{url}/prompts/": {"file": SimpleUploadedFile("p.jsonl", b'{"prompt": "x"}'), "holdout": "0"},
        f"{url}/people/": {"username": "maria", "role": "admin"},
        f"{url}/people/{member.pk}/remove/": {},
        "/projects/new/": {**SETTINGS, "slug": "new"},
    }
    for path, form in forms.items():
        is_there = role is not None or path == "/projects/new/"
        assert browser.post(path, form).status_code == (403 if is_there else 404), path
    assert Project.objects.count() == 1
    assert not Prompt.objects.exists()
    assert Membership.objects.filter(pk=member.pk).exists()


def test_a_project_that_is_not_there_is_not_found(admin: User) -> None:
    assert browser_of(admin).get("/projects/nowhere/").status_code == 404


def test_the_list_shows_only_ones_own_projects(project: Project) -> None:
    make_project("other", name="Other people's")
    page = browser_of(make_annotator(project)).get("/projects/").content.decode()
    assert "Helpful answers" in page
    assert "Other people" not in page


def test_an_admin_makes_a_project(admin: User) -> None:
    form = {"name": "New one", "slug": "new-one", "overlap": "1", "lease_seconds": "600", "max_tokens": "256"}
    response = browser_of(admin).post("/projects/new/", form)
    assert response["Location"] == "/projects/new-one/prompts/"
    again = browser_of(admin).post("/projects/new/", form)
    assert again.status_code == 422


def test_settings_are_changed_with_an_audit_row(project: Project, admin: User) -> None:
    response = browser_of(admin).post(f"/projects/{project.slug}/settings/", SETTINGS)
    assert response.status_code == 302
    project.refresh_from_db()
    assert (project.guidelines, project.overlap, project.temperature) == ("Be **kind**.", 2, 0.7)
    changes = AuditEntry.objects.get(action="project.update").data["changes"]
    assert changes["overlap"] == [1, 2]


def test_wrong_settings_are_refused_and_what_was_typed_stays(project: Project, admin: User) -> None:
    form = {**SETTINGS, "overlap": "0", "top_p": "2", "guidelines": "Long work of mine"}
    response = browser_of(admin).post(f"/projects/{project.slug}/settings/", form)
    assert response.status_code == 422
    assert "Long work of mine" in response.content.decode()
    project.refresh_from_db()
    assert project.overlap == 1


def test_prompts_are_uploaded_and_bad_rows_named(project: Project, admin: User) -> None:
    lines = [json.dumps({"id": "a", "prompt": "How?"}), "{", json.dumps({"id": "b", "prompt": ""})]
    file = SimpleUploadedFile("prompts.jsonl", "\n".join(lines).encode())
    page = browser_of(admin).post(f"/projects/{project.slug}/prompts/", {"file": file, "holdout": "0"})
    said = page.content.decode()
    assert "1 prompt added." in said
    assert "line 2: not JSON" in said
    assert list(project.prompts.values_list("external_id", flat=True)) == ["a"]


def test_gzipped_prompts_are_read_and_the_same_file_adds_nothing_twice(project: Project, admin: User) -> None:
    data = gzip.compress(json.dumps({"id": "a", "prompt": "How?"}).encode())
    browser = browser_of(admin)
    for said in ("1 prompt added.", "1 already there"):
        file = SimpleUploadedFile("prompts.jsonl.gz", data)
        page = browser.post(f"/projects/{project.slug}/prompts/", {"file": file, "holdout": "0.5"})
        assert said in page.content.decode()
    assert project.prompts.count() == 1


def test_an_admin_adds_people_and_makes_accounts(project: Project, admin: User) -> None:
    user_create(username="aiko")
    browser, url = browser_of(admin), f"/projects/{project.slug}/people/"
    assert browser.post(url, {"username": "aiko", "role": "reviewer"}).status_code == 302
    unknown = browser.post(url, {"username": "nobody", "role": "annotator"})
    assert unknown.status_code == 422
    assert "Give a password as well" in unknown.content.decode()
    made = browser.post(
        url, {"username": "nobody", "role": "annotator", "password": "a quiet morning in June"}
    )
    assert made.status_code == 302
    roles = dict(project.memberships.values_list("user__username", "role"))
    assert roles == {"aiko": "reviewer", "nobody": "annotator"}


def test_a_weak_password_makes_no_account(project: Project, admin: User) -> None:
    form = {"username": "nobody", "role": "annotator", "password": "123"}
    response = browser_of(admin).post(f"/projects/{project.slug}/people/", form)
    assert response.status_code == 422
    assert "too short" in response.content.decode()
    assert not User.objects.filter(username="nobody").exists()


def test_an_admin_of_one_project_makes_no_accounts(project: Project) -> None:
    user = make_annotator(project, role=Role.ADMIN)
    form = {"username": "nobody", "role": "annotator", "password": "a quiet morning in June"}
    assert browser_of(user).post(f"/projects/{project.slug}/people/", form).status_code == 403


def test_who_leaves_gives_back_what_they_hold(project: Project, admin: User) -> None:
    make_comparisons(project, 1)
    member = make_annotator(project)
    assert comparison_next(project, member) is not None
    membership = project.memberships.get()
    browser_of(admin).post(f"/projects/{project.slug}/people/{membership.pk}/remove/")
    assert not project.memberships.exists()
    assert Assignment.objects.get().state == Assignment.State.EXPIRED


@pytest.mark.parametrize(("decision", "state"), [("keep", "open"), ("withdraw", "withdrawn")])
def test_a_reviewer_decides_about_a_flagged_comparison(project: Project, decision: str, state: str) -> None:
    comparison = make_comparison(project, "What is **this**?")
    annotator = make_annotator(project)
    assignment = comparison_next(project, annotator)
    assert assignment is not None
    comparison_flag(
        comparison_id=comparison.pk,
        annotator=annotator,
        lease=assignment.lease,
        reason=Flag.Reason.BROKEN,
        comment="cut off",
    )
    browser = browser_of(make_annotator(project, "rev", Role.REVIEWER))
    page = browser.get(f"/projects/{project.slug}/flagged/").content.decode()
    assert "cut off" in page
    assert "What is <strong>this</strong>?" in page
    url = f"/projects/{project.slug}/flagged/{comparison.pk}/"
    assert browser_of(annotator).post(url, {"decision": decision}).status_code == 403
    assert browser.post(url, {"decision": decision}).status_code == 302
    assert Comparison.objects.get().state == state
    assert browser.post(url, {"decision": decision}).status_code == 409


def test_a_comparison_of_another_project_is_not_found(project: Project) -> None:
    other = make_comparison(make_project("other"), "?")
    browser = browser_of(make_annotator(project, role=Role.ADMIN))
    assert browser.post(f"/projects/{project.slug}/flagged/{other.pk}/").status_code == 404
