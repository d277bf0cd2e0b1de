"""Passkeys in a real browser with a virtual authenticator: made, used in both ways, removed, refused."""

from collections.abc import Callable

import pytest
from allauth.mfa.models import Authenticator
from django.test import Client
from playwright.sync_api import Page, expect

from accounts.models import AuditEntry, User
from accounts.services import user_create
from tests.e2e.browser import Window
from tests.e2e.conftest import OpenWindow

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "a quiet morning in June"
OPTIONS = {
    **{"protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True},
    **{"isUserVerified": True, "automaticPresenceSimulation": True},
}
Present = Callable[[bool], None]


@pytest.fixture
def tomas(transactional_db: None, quick_passwords: None) -> User:
    return user_create(username="tomas", password=PASSWORD)


def authenticator(page: Page) -> Present:
    """Give the window a device with passkeys; what is returned says whether its owner shows who they are."""
    device = page.context.new_cdp_session(page)
    device.send("WebAuthn.enable")
    number = device.send("WebAuthn.addVirtualAuthenticator", {"options": OPTIONS})["authenticatorId"]

    def verified(is_it: bool) -> None:
        told = {"authenticatorId": number, "isUserVerified": is_it}
        device.send("WebAuthn.setUserVerified", told)

    return verified


def add_passkey(window: Window, name: str) -> None:
    """From the account page on, with the password again."""
    page = window.page
    window.open("/account/second-factor/")
    page.get_by_role("link", name="Add a passkey").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Make a passkey").click()


def log_out(page: Page) -> None:
    page.context.clear_cookies()


def test_a_passkey_lets_in_by_itself_and_after_the_password_until_it_is_removed(
    tomas: User, open_window: OpenWindow
) -> None:
    window = open_window()
    page = window.page
    verified = authenticator(page)
    window.log_in("tomas", PASSWORD)
    add_passkey(window, "My laptop")
    expect(page.locator("#codes > li")).to_have_count(10)
    page.get_by_role("link", name="I have them").click()
    expect(page.get_by_role("row", name="My laptop")).to_contain_text("Never")

    log_out(page)
    window.open("/login/?next=/account/")
    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{window.base_url}/account/")
    login = AuditEntry.objects.filter(action="user.login").latest("pk")
    assert (login.actor, login.data) == (tomas, {"by": ["webauthn"]})

    log_out(page)
    window.open("/login/")
    page.get_by_label("Username").fill("tomas")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()
    expect(page.get_by_role("heading", name="One more step")).to_be_visible()
    page.get_by_role("button", name="Show a passkey").click()
    page.wait_for_url(f"{window.base_url}/")
    assert AuditEntry.objects.latest("pk").data == {"by": ["password", "webauthn"]}

    # Whoever holds the device must show who they are.
    verified(False)
    log_out(page)
    window.open("/login/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("No passkey was used")).to_be_visible()
    verified(True)

    page.get_by_role("button", name="Use a passkey").click()
    page.wait_for_url(f"{window.base_url}/")
    window.open("/account/second-factor/")
    page.get_by_role("button", name="Remove My laptop").click()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("The passkey is removed")).to_be_visible()
    assert not Authenticator.objects.exists(), "recovery codes go with the last factor"
    log_out(page)
    window.open("/login/")
    page.get_by_role("button", name="Use a passkey").click()
    expect(page.get_by_text("This passkey does not fit")).to_be_visible()


def test_a_closed_account_is_closed_to_its_passkeys(tomas: User, open_window: OpenWindow) -> None:
    window = open_window()
    authenticator(window.page)
    window.log_in("tomas", PASSWORD)
    add_passkey(window, "My laptop")
    expect(window.page.locator("#codes")).to_be_visible()
    User.objects.update(is_active=False)
    log_out(window.page)
    window.open("/login/")
    window.page.get_by_role("button", name="Use a passkey").click()
    expect(window.page.get_by_text("Your account here was closed")).to_be_visible()


@pytest.mark.parametrize(
    "sent", ["", "3", "null", "[]", "{}", '{"id": "x"}', '{"id": "eA", "rawId": "eA", "response": {}}']
)
def test_what_no_browser_sends_is_refused(tomas: User, broker: str, sent: str) -> None:
    stranger, own = Client(), Client()
    assert stranger.get("/login/passkey/", headers={"Accept": "application/json"}).status_code == 200
    assert stranger.post("/login/passkey/", {"credential": sent})["Location"] == "/login/"
    tomas.set_unusable_password()
    tomas.save()
    own.force_login(tomas)
    assert own.get("/account/second-factor/passkeys/add/").status_code == 200
    answer = own.post("/account/second-factor/passkeys/add/", {"credential": sent, "name": "x"})
    assert answer.status_code == 422
    assert not Authenticator.objects.exists()
