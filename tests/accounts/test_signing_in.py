"""Signing in: how often one may try, what strangers learn, and where one is signed in."""

from datetime import timedelta

import pytest
from allauth.usersessions.models import UserSession
from django.contrib.auth.hashers import MD5PasswordHasher
from django.test import Client
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.devices import device_name
from accounts.models import AuditEntry, User
from accounts.services import user_create
from accounts.sessions import sessions_list
from annotation.services.erasing import person_erase

PASSWORD = "a quiet morning in June"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/19.0 Mobile/15E148 Safari/604.1"
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker")]


@pytest.fixture(autouse=True)
def quick_passwords(settings: Settings) -> None:
    """Checking a password takes a second of work on purpose; here that only costs time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def tomas() -> User:
    return user_create(username="tomas", password=PASSWORD)


def attempt(
    name: str, password: str, *, address: str = "192.0.2.1", agent: str = FIREFOX, forwarded: str = ""
) -> tuple[Client, str]:
    """A browser that tried to log in from this address, and what it was told; "" of those who got in."""
    headers = {"User-Agent": agent, **({"X-Forwarded-For": forwarded} if forwarded else {})}
    client = Client(REMOTE_ADDR=address, headers=headers)
    response = client.post("/login/", {"login": name, "password": password})
    return client, "" if response.status_code == 302 else response.content.decode()


def signed_in(name: str, **details: str) -> Client:
    """A browser that got in."""
    client, told = attempt(name, PASSWORD, **details)
    assert not told
    return client


def test_unknown_names_and_wrong_passwords_hear_the_same_after_the_same_work(
    tomas: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[str] = []
    encode = MD5PasswordHasher.encode

    def counted(self: MD5PasswordHasher, password: str, salt: str) -> str:
        hashed.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counted)
    pages = []
    for name in ("tomas", "nobody"):
        pages.append(attempt(name, "wrong")[1])
        assert hashed == ["wrong"], name
        hashed.clear()
    tomas.is_active = False
    tomas.save()
    pages.append(attempt("tomas", PASSWORD)[1])
    for page in pages:
        assert "username and/or password you specified are not correct" in page


def test_a_name_is_closed_after_five_failures_from_wherever_they_come(tomas: User) -> None:
    user_create(username="ann", password=PASSWORD)
    for number in range(5):
        assert "not correct" in attempt("tomas", "wrong", address=f"192.0.2.{number}")[1]
    assert "Too many failed login attempts" in attempt("tomas", PASSWORD, address="198.51.100.1")[1]
    signed_in("ann", address="192.0.2.1")


def test_an_address_is_closed_after_ten_failures_whatever_the_names(tomas: User) -> None:
    for number in range(10):
        assert "not correct" in attempt(f"name-{number}", "wrong")[1]
    assert "Too many failed login attempts" in attempt("tomas", PASSWORD)[1]
    signed_in("tomas", address="192.0.2.2")


def test_names_that_differ_in_case_are_two_people(tomas: User) -> None:
    user_create(username="Tomas", password="another quiet morning")
    signed_in("tomas")
    assert "not correct" in attempt("Tomas", PASSWORD)[1]


def test_many_logins_that_work_close_nothing(tomas: User) -> None:
    for _ in range(12):
        signed_in("tomas")


@pytest.mark.parametrize("num_proxies", [0, 1])
def test_the_address_is_what_a_trusted_proxy_says_and_no_other(
    tomas: User, settings: Settings, num_proxies: int
) -> None:
    settings.ALLAUTH_TRUSTED_PROXY_COUNT = num_proxies
    signed_in("tomas", forwarded="203.0.113.9, 198.51.100.7")
    expected = "198.51.100.7" if num_proxies else "192.0.2.1"
    assert [each.address for each in sessions_list(tomas, this=None)] == [expected]


def test_nobody_makes_an_account_and_the_admin_has_no_door_of_its_own(client: Client) -> None:
    with pytest.raises(NoReverseMatch):
        reverse("account_signup")
    assert client.get("/signup/").status_code == 404
    answer = client.post("/admin/login/?next=/admin/accounts/", {"username": "x", "password": "y"})
    assert answer["Location"] == "/login/?next=%2Fadmin%2Faccounts%2F"


def test_sessions_are_listed_with_device_and_address_and_ended_one_by_one(tomas: User) -> None:
    desk, phone = signed_in("tomas"), signed_in("tomas", address="198.51.100.7", agent=PHONE)
    page = desk.get("/account/").content.decode()
    for word in ("Firefox, Linux", "192.0.2.1", "Safari, iOS", "198.51.100.7", "This one"):
        assert word in page
    other = next(each for each in sessions_list(tomas, this=desk.session.session_key) if not each.is_this)
    stranger = signed_in(user_create(username="ann", password=PASSWORD).username)
    assert stranger.post(f"/account/sessions/{other.pk}/end/").status_code == 404
    assert phone.get("/account/").status_code == 200
    assert desk.post(f"/account/sessions/{other.pk}/end/").status_code == 302
    assert phone.get("/account/").status_code == 302
    assert desk.get("/account/").status_code == 200
    assert AuditEntry.objects.filter(action="session.end", actor=tomas).count() == 1


def test_all_other_sessions_end_at_once(tomas: User) -> None:
    here, *others = (signed_in("tomas") for _ in range(3))
    assert here.post("/account/sessions/end-others/").status_code == 302
    assert [each.get("/account/").status_code for each in (here, *others)] == [200, 302, 302]
    assert len(sessions_list(tomas, this=None)) == 1


def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(tomas: User) -> None:
    here, other = signed_in("tomas"), signed_in("tomas")
    new = "another quiet morning"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}
    assert here.post("/account/password/", form).status_code == 302
    assert [each.get("/account/").status_code for each in (here, other)] == [200, 302]
    assert [each.is_this for each in sessions_list(tomas, this=here.session.session_key)] == [True]


def test_the_last_use_is_noted(tomas: User) -> None:
    browser, another_process = signed_in("tomas"), Client()
    long_ago = timezone.now() - timedelta(hours=1)
    UserSession.objects.update(last_seen_at=long_ago)
    browser.get("/account/")
    assert sessions_list(tomas, this=None)[0].last_seen == long_ago, "noted at the login, a moment before"
    another_process.cookies = browser.cookies
    another_process.get("/account/")
    assert sessions_list(tomas, this=None)[0].last_seen > long_ago


def test_nothing_stays_of_the_sessions_of_who_is_erased(tomas: User) -> None:
    browser = signed_in("tomas")
    person_erase(tomas, actor=None)
    assert browser.get("/account/").status_code == 302
    assert not UserSession.objects.exists()


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        (FIREFOX, "Firefox, Linux"),
        (PHONE, "Safari, iOS"),
        (
            "Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/140.0 Safari/537.36 Edg/140.0",
            "Edge, Windows",
        ),
        ("curl/8.1", "curl/8.1"),
        ("", ""),
    ],
)
def test_a_device_is_called_what_people_call_it(agent: str, name: str) -> None:
    assert device_name(agent) == name
