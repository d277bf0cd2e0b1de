"""Admins are told by e-mail of what they chose: through the outbox, to a real mail server on loopback."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from accord.env import MailServer, SettingsError, _mail
from accounts.models import Role, User
from accounts.services import user_create
from alignment.models import Stage
from alignment.watching import watch_rounds_and_disk
from tests.alignment.factories import make_round
from tests.webhooks.mailbox import Mailbox, mailbox
from webhooks.events import MAILED, Event
from webhooks.mail import mail_of
from webhooks.models import Delivery
from webhooks.notifying import notifications_set
from webhooks.services import delivery_send, emit

pytestmark = pytest.mark.django_db

FAILED = {"project": "helpful", "round": 7, "number": 3, "stage": "reward_model"}


@pytest.fixture
def box(settings: Settings) -> Iterator[Mailbox]:
    with mailbox() as made:
        settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", made.port
        settings.DEFAULT_FROM_EMAIL = "accord@example.org"
        settings.ACCORD_SITE_URL = "https://accord.example"
        yield made


@pytest.fixture
def admin() -> User:
    return user_create(username="root", role=Role.ADMIN)


def send_all() -> None:
    """What the clock does, and time passes."""
    Delivery.objects.filter(state="pending").update(due_at=timezone.now())
    for pk in Delivery.objects.filter(state="pending").values_list("pk", flat=True):
        delivery_send(pk)


def test_what_was_chosen_is_mailed_once_with_a_link_and_without_texts(box: Mailbox, admin: User) -> None:
    notifications_set(admin, email="root@example.org", events=["round.failed"])
    for event in (Event.ROUND_FAILED, Event.ROUND_FINISHED):
        emit(event, FAILED, project=1, texts={"error": "the secret answer"})
    box.failures = ["451 come back later"]
    send_all()
    waiting = Delivery.objects.get()
    assert (waiting.state, box.mails) == ("pending", [])
    assert "did not take it" in waiting.error and "come back" not in waiting.error
    for _ in range(2):
        send_all()

    (sent,) = box.mails
    assert (sent["To"], sent["From"]) == ("root@example.org", "accord@example.org")
    assert sent["Subject"] == "[Accord] helpful, round 3: failed in reward model"
    assert sent["Message-ID"] == f"<{waiting.message_id}@accord>"
    text = sent.get_content()
    assert "https://accord.example/rounds/7/" in text
    assert "secret" not in str(sent)
    assert Delivery.objects.get().state == "delivered"


def test_an_admin_chooses_on_a_page_and_tries_it(box: Mailbox, admin: User, client: Client) -> None:
    client.force_login(admin)
    page = "/account/notifications/"
    assert client.post(page, {"events": ["round.failed"], "email": ""}).status_code == 422
    chosen: dict[str, Any] = {"events": ["disk.low", "gate.waiting"], "email": "me@example.org"}
    assert client.post(page, chosen).status_code == 302
    assert client.get(page).content.decode().count("checked") == 2
    client.post(f"{page}try/")
    assert [sent["To"] for sent in box.mails] == ["me@example.org"]
    assert "/account/notifications/" not in client.get("/webhooks/").content.decode().split("<main")[1]

    User.objects.filter(pk=admin.pk).update(role=Role.ANNOTATOR, is_superuser=False)
    emit(Event.GATE_WAITING, FAILED, project=1)
    send_all()
    assert len(box.mails) == 1
    assert Delivery.objects.first().error == "This person is no longer an admin."  # type: ignore[union-attr]


def test_each_event_has_its_words() -> None:
    data = {**FAILED, "release": 4, "free_gib": 3, "free_percent": 2}
    subjects = {mail_of(event, data, site_url="").subject for event in (*MAILED, Event.PING)}
    assert len(subjects) == len(MAILED) + 1
    assert (
        "/projects/helpful/deployments/"
        in mail_of("deploy.failed", {"project": "helpful", "release": 2}, site_url="").text
    )


def test_a_round_that_stands_still_and_a_full_disk_are_told_once(
    admin: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    notifications_set(admin, email="root@example.org", events=["round.stuck", "disk.low"])
    monkeypatch.setattr("alignment.watching.DISK_LOW_SHARE", 1.0)
    round_ = make_round()
    long_ago = timezone.now() - timedelta(hours=1)
    round_.stages.filter(name=Stage.Name.SFT).update(state="running", started_at=long_ago)
    round_.stages.filter(name=Stage.Name.DPO).update(state="waiting", started_at=long_ago)
    for _ in range(2):
        watch_rounds_and_disk()
    told = dict(Delivery.objects.values_list("event", "body__data"))
    assert Delivery.objects.count() == 2
    assert told["round.stuck"]["stage"] == "sft"
    assert told["disk.low"].keys() == {"free_gib", "free_percent"}


def test_the_mail_server_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _mail("EMAIL_URL", "EMAIL_FROM") == MailServer()
    monkeypatch.setenv("EMAIL_URL", "smtp+tls://me:p%40ss@mail.example")
    with pytest.raises(SettingsError, match="EMAIL_FROM"):
        _mail("EMAIL_URL", "EMAIL_FROM")
    monkeypatch.setenv("EMAIL_FROM", "accord@example.org")
    found = _mail("EMAIL_URL", "EMAIL_FROM")
    assert (found.host, found.port, found.user, found.password) == ("mail.example", 587, "me", "p@ss")
    assert (found.starttls, found.tls, found.sender) == (True, False, "accord@example.org")
    assert not mail.outbox
