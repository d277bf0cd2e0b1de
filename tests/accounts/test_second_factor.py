"""A second factor: set up with a proof, asked for after the password, off by who it is, a must for some."""

import re
import time
from collections.abc import Iterator

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.core.management import CommandError, call_command
from django.test import Client
from pytest_django.fixtures import Settings

from accord.env import SettingsError, _roles
from accounts.models import AuditEntry, Role, User
from accounts.second_factor import factors_of, second_factor_reset
from accounts.services import token_create, user_create
from annotation.services.erasing import person_erase

PASSWORD = "a quiet morning in June"
PAGE = "/account/second-factor/"

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker")]


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Checking a password takes a second of work on purpose; here that only costs time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def tomas() -> User:
    return user_create(username="tomas", password=PASSWORD)


def codes(secret: str) -> Iterator[str]:
    """The codes that an app shows half a minute ago, now, and in half a minute: each works once."""
    now = int(time.time()) // 30
    yield from (format_hotp_value(hotp_value(secret, now + number)) for number in (0, 1, -1))


def log_in(name: str = "tomas") -> Client:
    """A browser in which the password was right."""
    client = Client()
    assert client.post("/login/", {"login": name, "password": PASSWORD}).status_code == 302
    return client


def confirm(client: Client, path: str) -> None:
    """Ask for a page that wants the password again, and give it."""
    asked = client.get(path)
    assert asked.status_code == 302 and asked["Location"].startswith("/account/again/?next=")
    answer = client.post(asked["Location"], {"password": PASSWORD, "next": path})
    assert (answer.status_code, answer["Location"]) == (302, path)


def set_up(client: Client) -> tuple[str, list[str]]:
    """An app is set up; its secret, and the recovery codes."""
    confirm(client, f"{PAGE}app/")
    page = client.get(f"{PAGE}app/").content.decode()
    found = re.search(r'<code id="secret">(\w+)</code>', page)
    assert found and "data:image/svg+xml;base64," in page
    wrong = client.post(f"{PAGE}app/", {"code": "000000"})
    assert wrong.status_code == 422
    assert found[1] in wrong.content.decode(), "the app need not read it again"
    answer = client.post(f"{PAGE}app/", {"code": next(codes(found[1]))}, follow=True)
    return found[1], re.findall(r"<li>(\d{8})</li>", answer.content.decode())


def is_in(client: Client) -> bool:
    return client.get("/account/").status_code == 200


def test_the_password_alone_is_not_enough_any_more(tomas: User) -> None:
    secret, recovery = set_up(log_in())
    assert len(recovery) == 10
    kept = str(Authenticator.objects.values_list("data", flat=True))
    assert secret not in kept, "the database has it encrypted"
    client = log_in()
    assert not is_in(client)
    assert "One more step" in client.get("/login/second/").content.decode()
    assert client.post("/login/second/", {"code": "123"}).status_code == 422
    shown = codes(secret)
    code = next(shown)
    answer = client.post("/login/second/", {"code": code})
    assert (answer.status_code, answer["Location"], is_in(client)) == (302, "/", True)
    other = log_in()
    assert other.post("/login/second/", {"code": code}).status_code == 422, "a code works once"
    assert other.post("/login/second/", {"code": recovery[3]}).status_code == 302
    assert factors_of(tomas).num_codes == 9
    third = log_in()
    assert third.post("/login/second/", {"code": recovery[3]}).status_code == 422, "so does a recovery code"
    told = AuditEntry.objects.filter(actor=tomas).order_by("pk").values_list("action", "data")
    assert [action for action, _ in told] == ["user.login", "second_factor.add", "user.login", "user.login"]
    assert told[2][1] == {"by": ["password", "totp"]}


def test_wrong_codes_close_the_second_question_too(tomas: User) -> None:
    secret, _ = set_up(log_in())
    client = log_in()
    for _try in range(5):
        client.post("/login/second/", {"code": "000000"})
    told = client.post("/login/second/", {"code": next(codes(secret))})
    assert "Too many failed login attempts" in told.content.decode()
    assert not is_in(client)


def test_nobody_gets_to_the_second_question_without_the_first(tomas: User) -> None:
    assert Client().get("/login/second/")["Location"] == "/login/"
    assert Client().post("/login/second/", {"code": "1"})["Location"] == "/login/"
    client = log_in()
    assert client.get("/login/second/")["Location"] == "/", "who is in is not asked"


def test_it_is_turned_off_by_who_knows_the_password(tomas: User) -> None:
    secret, _ = set_up(log_in())
    client = log_in()
    client.post("/login/second/", {"code": next(codes(secret))})
    assert client.post(f"{PAGE}app/off/")["Location"].startswith("/account/again/")
    assert factors_of(tomas).has_app
    wrong = client.post(f"/account/again/?next={PAGE}app/off/", {"password": "wrong"})
    assert wrong.status_code == 422
    told = {"password": PASSWORD, "next": f"{PAGE}app/off/"}
    assert client.post("/account/again/", told)["Location"] == PAGE, "what was asked for is done now"
    assert not Authenticator.objects.exists(), "recovery codes go with it"
    assert is_in(log_in())


def test_recovery_codes_are_shown_once_and_made_anew(tomas: User) -> None:
    client = log_in()
    _, first = set_up(client)
    assert client.get(f"{PAGE}codes/")["Location"] == f"{PAGE}codes/new/"
    page = client.post(f"{PAGE}codes/new/", follow=True).content.decode()
    second = re.findall(r"<li>(\d{8})</li>", page)
    assert len(second) == 10 and not set(first) & set(second)
    other = log_in()
    assert other.post("/login/second/", {"code": first[0]}).status_code == 422
    assert other.post("/login/second/", {"code": second[0]}).status_code == 302


def test_an_admin_resets_what_was_lost(tomas: User) -> None:
    client = log_in()
    set_up(client)
    admin = user_create(username="maria", role=Role.ADMIN)
    desk = Client()
    desk.force_login(admin)
    form = {"action": "reset_second_factor", "_selected_action": [tomas.pk]}
    assert desk.post("/admin/accounts/user/", form).status_code == 302
    assert not is_in(client), "who may have stolen it is out"
    assert is_in(log_in())
    assert AuditEntry.objects.filter(actor=admin, action="second_factor.reset").count() == 1
    set_up(log_in())
    call_command("reset_second_factor", "tomas")
    assert is_in(log_in())
    with pytest.raises(CommandError, match="Nobody is called 'nobody'"):
        call_command("reset_second_factor", "nobody")


def test_another_secret_key_is_said_and_not_a_crash(tomas: User, settings: Settings) -> None:
    set_up(log_in())
    settings.SECRET_KEY = "another"
    answer = log_in().post("/login/second/", {"code": "123456"})
    assert answer.status_code == 401
    assert "ask an admin of this site to reset it" in answer.content.decode()


def test_roles_that_must_have_one_get_nowhere_without_it(settings: Settings, tomas: User) -> None:
    settings.ACCORD_REQUIRE_SECOND_FACTOR = ("admin",)
    assert is_in(log_in()), "other roles need none"
    maria = user_create(username="maria", password=PASSWORD, role=Role.ADMIN)
    client = log_in("maria")
    for path in ("/", "/account/", "/rounds/", "/admin/"):
        assert client.get(path)["Location"] == PAGE
    answer = client.get("/api/v1/rounds")
    assert answer.status_code == 403 and "second factor" in answer.json()["detail"]
    assert "Your role asks for a second factor" in client.get(PAGE).content.decode()
    _, secret = token_create(maria, name="x")
    program = Client(headers={"Authorization": f"Bearer {secret}"})
    assert program.get("/api/v1/rounds").status_code == 200
    set_up(client)
    assert is_in(client)
    kept = client.post(f"{PAGE}app/off/")
    assert kept.status_code == 200 and "set up another one first" in kept.content.decode()
    assert factors_of(maria).has_app
    second_factor_reset(maria, actor=None)
    assert log_in("maria").get("/")["Location"] == PAGE


def test_only_roles_that_there_are_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_SECOND_FACTOR", "admin, boss")
    with pytest.raises(SettingsError, match="annotator, reviewer, admin"):
        _roles("REQUIRE_SECOND_FACTOR")


def test_nothing_stays_of_who_is_erased(tomas: User) -> None:
    set_up(log_in())
    person_erase(tomas, actor=None)
    assert not Authenticator.objects.exists()
