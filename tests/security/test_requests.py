"""Requests that somebody else forged: of another site, under another name, to another place."""

from pathlib import Path

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import User
from accounts.services import user_create
from annotation.models import Judgement
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project
from tests.roles.site import Site
from tests.roles.table import TABLE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker", "quick_passwords")]

PASSWORD = "a quiet morning in June"
ELSEWHERE = (
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example",
    "https:evil.example",
    "\thttps://evil",
)


@pytest.fixture
def quick_passwords(settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def test_every_form_of_the_site_wants_its_token(tmp_path: Path) -> None:
    site = Site(tmp_path)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(site.sample.admin)
    tried = [row.split(" ", 1) for row in TABLE if not row.startswith(("GET ", "HEAD "))]
    assert len(tried) > 60
    taken = []
    for method, route in tried:
        case = site.case(method, route)
        is_api = case.path.startswith("/api/")
        kind = "application/json" if is_api else "application/octet-stream"
        answer = browser.generic(method, case.path, content_type=kind, headers=case.headers)
        if answer.status_code != 403:
            taken.append(f"{method} {route}: {answer.status_code}")
    assert taken == []


def test_a_browser_s_session_writes_over_the_api_only_with_the_token_and_a_program_s_without() -> None:
    project = make_project()
    make_comparison(project, "?")
    person = make_annotator(project)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(person)
    path = f"/api/v1/projects/{project.slug}/next"
    assert browser.post(path, content_type="application/json").status_code == 403
    Annotator(person).next(project)
    assert Judgement.objects.count() == 0


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "testserver:80@evil.example"])
def test_a_host_that_is_not_ours_gets_nothing(host: str, settings: Settings) -> None:
    assert not any("*" in own or own.startswith(".") for own in settings.ALLOWED_HOSTS)
    settings.ALLOWED_HOSTS = ["testserver"]
    answer = Client().get("/login/", headers={"Host": host})
    assert answer.status_code == 400
    assert host.encode() not in answer.content


def test_a_forged_host_of_a_proxy_is_not_believed(settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["testserver"]
    answer = Client().get("/models/", headers={"X-Forwarded-Host": "evil.example"})
    assert answer.status_code == 302
    assert "evil" not in answer["Location"]


@pytest.mark.parametrize("place", ELSEWHERE)
def test_a_login_leads_to_no_other_site(place: str) -> None:
    user_create(username="ann", password=PASSWORD)
    answer = Client().post(f"/login/?next={place}", {"login": "ann", "password": PASSWORD, "next": place})
    assert answer.status_code == 302
    assert answer["Location"] == "/"
    for path in ("/logout/", "/i18n/setlang/"):
        client = Client()
        client.force_login(User.objects.get())
        answer = client.post(path, {"next": place, "language": "en"}, headers={"Referer": place})
        assert answer.status_code == 302
        assert answer["Location"].startswith("/") and not answer["Location"].startswith(("//", "/\\"))


def test_queries_reach_no_field_that_the_api_does_not_name(tmp_path: Path) -> None:
    """Django's lookups across tables (`annotator__password__startswith`) are nowhere taken from a request."""
    site = Site(tmp_path)
    client = site.program("site admin")
    lookups = (
        "password__startswith",
        "annotator__password__startswith",
        "user__password",
        "pk__in",
        "id__gt",
    )
    leaked = []
    for row in TABLE:
        method, route = row.split(" ", 1)
        if method != "GET" or not route.startswith("/api/v1/") or "export" in route or "metrics" in route:
            continue
        path = site.case(method, route).path
        plain = client.get(path)
        for lookup in lookups:
            asked = client.get(path, {lookup: "x"})
            if asked.status_code not in (plain.status_code, 422) or (
                asked.status_code == 200 and asked.getvalue() != plain.getvalue()
            ):
                leaked.append(f"{route}?{lookup}")
    assert leaked == []
