"""Signing in with a real OpenID provider: the whole way there and back, roles, links, and who is refused."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from allauth.socialaccount.models import SocialAccount, SocialToken
from django.contrib.sessions.models import Session
from django.utils import timezone

from accord.env import REPOSITORY
from accounts.models import AuditEntry, Role, User
from accounts.services import user_create
from annotation.services.invitations import invitation_create
from deploy.local.broker import free_port
from tests.ops.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIdProvider, openid_provider

pytestmark = [pytest.mark.ops, pytest.mark.django_db(transaction=True)]

SECONDS = 60.0
ROLES = "accord-admins=admin,accord-reviewers=reviewer"


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenIdProvider]:
    with openid_provider(tmp_path_factory.mktemp("glewlwyd")) as running:
        yield running


Site = Callable[..., str]


@pytest.fixture
def site(
    process_environment: dict[str, str], broker: str, tmp_path: Path, provider: OpenIdProvider
) -> Iterator[Site]:
    """`site(OIDC_CREATE="1")` starts the production web server; its address."""
    with ExitStack() as running:

        def start(**more: str) -> str:
            secret = tmp_path / "secret"
            secret.write_text(f"{CLIENT_SECRET}\n")
            told = {
                **{"OIDC_ISSUER": provider.issuer, "OIDC_CLIENT_ID": CLIENT_ID, "OIDC_NAME": "Example ID"},
                **{"OIDC_CLIENT_SECRET_FILE": str(secret), "OIDC_ROLES": ROLES},
            }
            url = running.enter_context(web_server({**process_environment, **told, **more}))
            provider.client_at(f"{url}/login/oidc/callback/")
            return url

        yield start


@contextmanager
def web_server(environment: dict[str, str]) -> Iterator[str]:
    """The site on loopback."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "deploy.production.web", "--listen", f"127.0.0.1:{port}"]
    with subprocess.Popen([*command, "--processes", "1"], cwd=REPOSITORY, env=environment) as web:
        try:
            deadline = time.monotonic() + SECONDS
            while True:
                assert web.poll() is None and time.monotonic() < deadline
                try:
                    if httpx.get(f"{url}/livez", timeout=5).status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.1)
            yield url
        finally:
            web.terminate()


def sign_in(
    site: str, provider: OpenIdProvider, name: str, *, path: str = "/login/oidc/", begin: str = "/login/"
) -> httpx.Response:
    """A browser's whole way, from the button on the page where it begins to the page one ends at."""
    with httpx.Client(timeout=SECONDS) as browser:
        page = browser.get(f"{site}{begin}", follow_redirects=True)
        assert "Log in with Example ID" in page.text
        gone = browser.get(f"{site}{path}")
        assert gone.status_code == 302, gone.text
        asked = parse_qs(urlsplit(gone.headers["Location"]).query)
        assert asked["code_challenge_method"] == ["S256"] and asked["state"]
        # Its login page comes first: it leads back to the address that one came by.
        assert "login.html" in browser.get(gone.headers["Location"]).headers["Location"]
        provider.log_in(browser, name)
        back = browser.get(f"{gone.headers['Location']}&g_continue")
        assert back.status_code == 302, back.text
        return browser.get(back.headers["Location"], follow_redirects=True)


def role_of(name: str) -> tuple[str, bool, bool]:
    user = User.objects.get(username=name)
    return user.role, user.is_staff, user.is_superuser


def test_groups_give_and_take_roles_at_each_login(site: Site, provider: OpenIdProvider) -> None:
    url = site(OIDC_CREATE="1")
    provider.person("maria", email="maria@example.org", verified=True, groups=["accord-admins", "others"])
    page = sign_in(url, provider, "maria", path="/login/oidc/?next=/audit/")
    assert (page.status_code, page.url.path) == (200, "/audit/"), "an admin, where she wanted to go"
    maria = User.objects.get(username="maria")
    assert (role_of("maria"), maria.email) == ((Role.ADMIN, True, True), "maria@example.org")
    assert not maria.has_usable_password()

    provider.person("maria", email="maria@example.org", verified=True, groups=["others"])
    page = sign_in(url, provider, "maria", path="/login/oidc/?next=/audit/")
    assert page.status_code == 403
    assert role_of("maria") == (Role.ANNOTATOR, False, False), "who loses the group loses the role"

    provider.person("maria", email="maria@example.org", verified=True, groups=["accord-reviewers"])
    assert sign_in(url, provider, "maria").status_code == 200
    assert role_of("maria") == (Role.REVIEWER, False, False)

    account = SocialAccount.objects.get(user=maria)
    assert (account.provider, account.extra_data) == (provider.issuer, {}), "nothing of the claims is kept"
    assert not SocialToken.objects.exists()
    entries = AuditEntry.objects.filter(subject_type="accounts.user", subject_id=str(maria.pk)).order_by("pk")
    assert [entry.action for entry in entries] == [
        *("user.create", "user.link", "user.role", "user.login"),
        *("user.role", "user.login"),
        *("user.role", "user.login"),
    ]
    ends = Session.objects.values_list("expire_date", flat=True)
    assert max(ends) < timezone.now() + timedelta(hours=13), "the provider is asked again before long"
    assert entries.filter(action="user.login")[0].data == {"by": ["socialaccount"]}
    assert entries.filter(action="user.role")[1].data == {
        "before": "admin",
        "role": "annotator",
        "by": "oidc",
    }


def test_who_is_not_known_is_refused_and_linked_by_a_verified_address_alone(
    site: Site, provider: OpenIdProvider
) -> None:
    url = site()
    provider.person("tomas", email="tomas@example.org", verified=False, groups=["accord-admins"])
    known = user_create(username="tomas.h", email="Tomas@example.org", role=Role.REVIEWER)
    page = sign_in(url, provider, "tomas")
    assert page.status_code == 401
    assert "ask an admin of this site for an invitation" in page.text
    assert User.objects.count() == 1 and not SocialAccount.objects.exists()

    provider.person("tomas", email="tomas@example.org", verified=True)
    assert sign_in(url, provider, "tomas").status_code == 200
    assert SocialAccount.objects.get().user == known
    assert role_of("tomas.h") == (Role.ANNOTATOR, False, False), "what the groups say, and no more"

    provider.person("imposter", email="tomas@example.org", verified=True)
    page = sign_in(url, provider, "imposter")
    assert page.status_code == 401
    assert "belongs to another identity" in page.text

    User.objects.update(is_active=False)
    page = sign_in(url, provider, "tomas")
    assert page.status_code == 401
    assert "was closed" in page.text


def test_an_invitation_is_accepted_with_an_identity_that_nobody_knew(
    site: Site, provider: OpenIdProvider
) -> None:
    url = site(OIDC_ROLES="")
    provider.person("bo", email="bo@example.org", verified=True)
    admin = user_create(username="boss", role=Role.ADMIN)
    end = timezone.now() + timedelta(days=1)
    invitation, secret = invitation_create(role=Role.REVIEWER, expires_at=end, actor=admin)
    assert sign_in(url, provider, "bo", begin=f"/join/{secret}/").status_code == 200
    made = SocialAccount.objects.get().user
    assert (made.username, made.email, made.role) == ("bo", "bo@example.org", Role.REVIEWER)
    invitation.refresh_from_db()
    assert invitation.accepted_by == made


def test_without_a_mapping_roles_are_given_here(site: Site, provider: OpenIdProvider) -> None:
    url = site(OIDC_ROLES="", OIDC_CREATE="1")
    provider.person("aiko", email="aiko@example.org", verified=False, groups=["accord-admins"])
    user_create(username="aiko", email="aiko@example.org", role=Role.ADMIN)
    assert sign_in(url, provider, "aiko").status_code == 200
    made = SocialAccount.objects.get().user
    assert (made.username, made.email, made.role) == ("aiko-2", "", Role.ANNOTATOR)
    User.objects.filter(pk=made.pk).update(role=Role.REVIEWER)
    assert sign_in(url, provider, "aiko").status_code == 200
    assert role_of("aiko-2")[0] == Role.REVIEWER


def test_what_goes_wrong_is_a_page_that_says_what_to_do(site: Site, provider: OpenIdProvider) -> None:
    url = site()
    with httpx.Client(timeout=SECONDS) as browser:
        stale = browser.get(f"{url}/login/oidc/callback/?code=x&state=y")
        assert stale.status_code == 401 and "begin again at the login page" in stale.text
        gone = browser.get(f"{url}/login/oidc/")
        state = parse_qs(urlsplit(gone.headers["Location"]).query)["state"][0]
        refused = browser.get(f"{url}/login/oidc/callback/?error=access_denied&state={state}")
        assert refused.status_code == 401 and "did not let you through" in refused.text
        gone = browser.get(f"{url}/login/oidc/")
        state = parse_qs(urlsplit(gone.headers["Location"]).query)["state"][0]
        forged = browser.get(f"{url}/login/oidc/callback/?code=forged&state={state}")
        assert forged.status_code == 401 and "cannot be trusted" in forged.text
        assert browser.get(f"{url}/account/").status_code == 302
    other = site(OIDC_ISSUER=f"{provider.issuer}/")
    wrong = httpx.get(f"{other}/login/oidc/", timeout=SECONDS)
    assert wrong.status_code == 401 and "cannot be trusted" in wrong.text
    away = site(OIDC_ISSUER=f"http://127.0.0.1:{free_port()}/")
    answer = httpx.get(f"{away}/login/oidc/", timeout=SECONDS)
    assert answer.status_code == 503 and "cannot be reached" in answer.text
    assert "password" in answer.text
