"""Pages that belong to no single app: who may see them, what they say, and that nothing inline may run."""

import pytest
from django.test import Client, override_settings
from pytest_django.fixtures import Settings

from accounts.models import ApiToken, Role, Scope, User
from accounts.services import Grant, token_create, token_grant, user_create
from registry.models import Checkpoint
from tests.annotation.factories import make_annotator, make_comparisons, make_project

pytestmark = pytest.mark.django_db

PASSWORD = "a quiet morning in June"


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
def admin() -> User:
    return user_create(username="maria", role=Role.ADMIN)


@pytest.fixture
def annotator() -> User:
    return user_create(username="tomas")


@pytest.mark.parametrize(
    "path", ["/", "/account/", "/account/password/", "/models/", "/projects/", "/rounds/"]
)
def test_who_is_not_logged_in_is_sent_to_the_login(client: Client, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 302
    assert response["Location"].startswith("/login/?next=")


def test_logging_in_and_out(client: Client) -> None:
    user_create(username="tomas", password=PASSWORD)
    refused = client.post("/login/", {"login": "tomas", "password": "wrong"})
    assert "are not correct" in refused.content.decode()
    entered = client.post("/login/", {"login": "tomas", "password": PASSWORD}, follow=True)
    assert "Your work" in entered.content.decode()
    assert client.post("/logout/").status_code == 302
    assert client.get("/").status_code == 302


def test_a_login_never_leads_to_another_site(client: Client) -> None:
    user_create(username="tomas", password=PASSWORD)
    form = {"login": "tomas", "password": PASSWORD, "next": "https://example.org/"}
    assert client.post("/login/", form)["Location"] == "/"


@pytest.mark.parametrize("path", ["/login/", "/healthz", "/nowhere/", "/api/v1/projects"])
def test_every_answer_forbids_inline_code_and_other_origins(client: Client, path: str, broker: str) -> None:
    policy = client.get(path)["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


def test_the_start_page_of_an_annotator_tells_what_waits(annotator: User) -> None:
    project = make_project(name="Helpful answers")
    make_comparisons(project, 3)
    member = make_annotator(project)
    page = browser_of(member).get("/").content.decode()
    assert "<strong>3</strong> to compare" in page
    assert f"/projects/{project.slug}/annotate/" in page
    assert "Models that answer" not in page
    assert "No project yet" in browser_of(annotator).get("/").content.decode()


def test_the_start_page_of_an_admin_shows_projects_rounds_and_models(admin: User) -> None:
    make_project(name="Helpful answers")
    page = browser_of(admin).get("/").content.decode()
    for word in ("Helpful answers", "Rounds", "Models that answer", "Launch a round"):
        assert word in page


def test_an_admin_page_needs_as_many_statements_for_many_projects_as_for_one(
    admin: User, django_assert_max_num_queries: object
) -> None:
    for number in range(6):
        make_project(f"project-{number}")
    browser = browser_of(admin)
    with django_assert_max_num_queries(16):  # type: ignore[operator]  # pytest-django's fixture
        browser.get("/")


def test_annotators_do_not_see_models(annotator: User) -> None:
    checkpoint = Checkpoint.objects.create(name="secret-name", kind=Checkpoint.Kind.BASE, path="/x")
    for path in ("/models/", f"/models/{checkpoint.pk}/"):
        response = browser_of(annotator).get(path)
        assert response.status_code == 403
        assert "secret-name" not in response.content.decode()


def test_a_model_page_shows_what_it_came_from(admin: User) -> None:
    base = Checkpoint.objects.create(name="the-base", kind=Checkpoint.Kind.BASE, path="/base")
    child = Checkpoint.objects.create(name="the-child", kind=Checkpoint.Kind.SFT, path="/child")
    child.parent_links.create(parent=base, role="initial")
    browser = browser_of(admin)
    assert "the-base" in browser.get(f"/models/{child.pk}/").content.decode()
    assert "the-child" in browser.get(f"/models/{base.pk}/").content.decode()
    assert browser.get("/models/99999/").status_code == 404


def test_a_new_token_is_shown_once_and_works(annotator: User) -> None:
    browser = browser_of(annotator)
    page = browser.post("/account/", {"name": "nightly", "days": "30", "scopes": ["read"]}).content.decode()
    secret = page.split('id="secret">')[1].split("<")[0]
    assert token_grant(secret) == Grant(annotator, frozenset({"read"}))
    assert secret not in browser.get("/account/").content.decode()
    token = ApiToken.objects.get()
    assert browser.post(f"/account/tokens/{token.pk}/revoke/").status_code == 302
    assert token_grant(secret) is None


def test_a_token_for_nothing_is_refused_and_the_name_is_kept(annotator: User) -> None:
    response = browser_of(annotator).post("/account/", {"name": "nightly", "days": "30"})
    assert response.status_code == 422
    page = response.content.decode()
    assert "Choose what the token may do." in page and 'value="nightly"' in page
    assert not ApiToken.objects.exists()


def test_nobody_revokes_the_token_of_another(annotator: User, admin: User) -> None:
    token, secret = token_create(admin, name="mine")
    assert browser_of(annotator).post(f"/account/tokens/{token.pk}/revoke/").status_code == 404
    assert token_grant(secret) == Grant(admin, frozenset(Scope.values))


def test_a_password_is_changed_only_by_who_knows_the_old_one() -> None:
    user = user_create(username="tomas", password=PASSWORD)
    browser = browser_of(user)
    new = "another quiet morning"
    form = {"old_password": "wrong", "new_password1": new, "new_password2": new}
    assert browser.post("/account/password/", form).status_code == 422
    assert browser.post("/account/password/", {**form, "old_password": PASSWORD}).status_code == 302
    assert browser.get("/").status_code == 200
    user.refresh_from_db()
    assert user.check_password(new)


def test_the_preview_renders_markdown_for_those_who_are_logged_in(client: Client, annotator: User) -> None:
    assert client.post("/markdown/", {"text": "**x**"}).status_code == 302
    browser = browser_of(annotator)
    assert "<strong>x</strong>" in browser.post("/markdown/", {"text": "**x**"}).content.decode()
    shown = browser.post("/markdown/", {"field": "guidelines", "guidelines": "<script>x</script>"})
    assert "<script" not in shown.content.decode()


def test_a_page_that_is_not_there_says_so(client: Client) -> None:
    response = client.get("/nowhere/")
    assert response.status_code == 404
    assert "There is nothing here" in response.content.decode()


def test_a_form_without_its_token_is_refused_with_what_to_do(annotator: User) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(annotator)
    response = browser.post("/account/", {"name": "x", "days": "30"})
    assert response.status_code == 403
    assert "reload it and send it again" in response.content.decode()


def test_a_mistake_of_ours_shows_a_page_of_its_own(admin: User, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("alignment.model_views.deployments", broken)
    browser = browser_of(admin)
    browser.raise_request_exception = False
    response = browser.get("/models/")
    assert response.status_code == 500
    assert "Something broke on our side" in response.content.decode()


def test_health_is_good_when_database_and_broker_answer(client: Client, broker: str) -> None:
    response = client.get("/healthz")
    assert response.status_code == 200
    assert response.json() == {"healthy": True, "database": "ok", "broker": "ok"}


def test_health_is_bad_when_the_broker_is_away(client: Client) -> None:
    with override_settings(CELERY_BROKER_URL="redis://127.0.0.1:1/0"):
        response = client.get("/healthz")
    assert response.status_code == 503
    assert response.json()["broker"] == "ConnectionError"
    assert response.json()["database"] == "ok"


def test_the_remembered_theme_is_in_the_page_at_once(client: Client) -> None:
    client.cookies["theme"] = "dark"
    assert 'data-theme="dark"' in client.get("/login/").content.decode()
    client.cookies["theme"] = '"><script>'
    assert "<script>" not in client.get("/login/").content.decode().split("<head>")[0]
