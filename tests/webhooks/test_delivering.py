"""Events written with what they tell of, sent to a real receiver, signed, tried again, not lost."""

import ipaddress
import json
import re
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.fixtures import Settings

from accounts.errors import Conflict, Invalid
from accounts.models import AuditEntry, Role
from accounts.services import user_create
from annotation.models import Project
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project
from tests.webhooks.receiver import Receiver, receiver
from webhooks.events import Event
from webhooks.models import Delivery, Endpoint
from webhooks.sending import SendingFailed, post
from webhooks.services import (
    PAUSES,
    delivery_resend,
    delivery_send,
    emit,
    endpoint_create,
    endpoint_switch,
    rules,
    texts_forget,
)
from webhooks.signing import HEADER, is_signed, signature

pytestmark = pytest.mark.django_db

DOCUMENT = Path(__file__).parents[2] / "docs" / "webhooks.md"


@pytest.fixture
def there(settings: Settings) -> Iterator[Receiver]:
    with receiver() as told:
        settings.ACCORD_WEBHOOK_NETWORKS = (ipaddress.ip_network("127.0.0.0/8"),)
        settings.ACCORD_WEBHOOK_PORTS = (told.port,)
        yield told


def make_endpoint(
    there: Receiver, *events: Event, project: Project | None = None, texts: bool = False
) -> Endpoint:
    return endpoint_create(
        url=there.url,
        events=[event.value for event in events or (Event.JUDGEMENT_SUBMITTED,)],
        project=None if project is None else (project.pk, project.slug),
        include_texts=texts,
        actor=None,
    )


def send_all() -> None:
    for pk in Delivery.objects.order_by("endpoint").values_list("pk", flat=True):
        delivery_send(pk)


def test_a_judgement_is_told_signed_and_without_what_was_written(there: Receiver) -> None:
    project = make_project()
    make_comparison(project, "Why?")
    plain, full = make_endpoint(there), make_endpoint(there, texts=True)
    make_endpoint(there, project=make_project("other"))
    ann = Annotator(make_annotator(project))
    judgement = ann.judge(ann.next(project), comment="my aunt's cat", edited="Because.").body
    send_all()
    bodies = [json.loads(body) for _, _, body in there.requests]
    assert [body["data"]["judgement"] for body in bodies] == [judgement["id"]] * 2
    assert [body.get("texts") for body in bodies] == [None, {"comment": "my aunt's cat", "edit": "Because."}]
    assert "model-" not in str(there.requests)
    for endpoint, (path, headers, body) in zip((plain, full), there.requests, strict=True):
        assert path == "/hook?x=1"
        assert is_signed(endpoint.secret, body, headers[HEADER], int(time.time()))
        assert headers["Accord-Delivery"] == json.loads(body)["id"]
    assert set(Delivery.objects.values_list("state", "status_code")) == {("delivered", 204)}
    assert "aunt" not in str(list(Delivery.objects.values_list("body")))


def test_the_documented_example_accepts_ours_and_refuses_others() -> None:
    code = re.search(r"```python\n(.*?)```", DOCUMENT.read_text(), re.S)
    assert code is not None
    names: dict[str, Any] = {}
    exec(code[1], names)
    now = int(time.time())
    header = signature("whsec_x", b"{}", now)
    assert names["verified"]("whsec_x", header, b"{}")
    assert not names["verified"]("whsec_y", header, b"{}")
    assert not names["verified"]("whsec_x", header, b"{ }")
    assert not names["verified"]("whsec_x", signature("whsec_x", b"{}", now - 400), b"{}")
    assert not is_signed("whsec_x", b"{}", "t=,v1=", now)


def test_what_is_rolled_back_is_not_told_and_telling_is_one_statement(there: Receiver) -> None:
    make_endpoint(there)
    with transaction.atomic():
        emit(Event.JUDGEMENT_SUBMITTED, {"a": 1}, project=1)
        transaction.set_rollback(True)
    assert not Delivery.objects.exists()
    with CaptureQueriesContext(connection) as queries:
        emit(Event.JUDGEMENT_SUBMITTED, {"a": 1}, project=1)
        emit(Event.ROUND_FAILED, {"a": 1}, project=1)
    assert len(queries) == 2
    assert Delivery.objects.count() == 1


def test_a_failure_is_tried_again_later_under_the_same_id_until_it_is_given_up(there: Receiver) -> None:
    make_endpoint(there)
    there.status = 500
    emit(Event.JUDGEMENT_SUBMITTED, {}, project=None)
    delivery = Delivery.objects.get()
    for attempt in range(1, len(PAUSES) + 1):
        delivery_send(delivery.pk)
        delivery_send(delivery.pk)  # not due yet
        delivery.refresh_from_db()
        assert (delivery.attempts, delivery.status_code, delivery.error) == (attempt, 500, "It answered 500.")
        if attempt < len(PAUSES):
            pause = delivery.due_at - timezone.now()
            assert PAUSES[attempt - 1] - timedelta(seconds=30) < pause <= PAUSES[attempt - 1]
            Delivery.objects.update(due_at=timezone.now())
    assert delivery.state == "failed"
    assert len({headers["Accord-Delivery"] for _, headers, _ in there.requests}) == 1
    there.status = 200
    delivery_resend(delivery, actor=None)
    with pytest.raises(Conflict):
        delivery_resend(delivery, actor=None)
    send_all()
    delivery.refresh_from_db()
    assert delivery.state == "delivered"


def test_a_sender_that_died_leaves_the_delivery_to_others_after_its_lease(there: Receiver) -> None:
    make_endpoint(there)
    emit(Event.JUDGEMENT_SUBMITTED, {}, project=None)
    Delivery.objects.update(attempts=1, due_at=timezone.now() + timedelta(seconds=60))
    send_all()
    assert there.requests == []
    Delivery.objects.update(due_at=timezone.now())
    send_all()
    assert len(there.requests) == 1


def test_a_redirect_is_not_followed(there: Receiver) -> None:
    make_endpoint(there)
    there.status, there.location = 302, f"http://127.0.0.1:{there.port}/elsewhere"
    emit(Event.JUDGEMENT_SUBMITTED, {}, project=None)
    send_all()
    assert [path for path, _, _ in there.requests] == ["/hook?x=1"]
    assert Delivery.objects.get().error == "It answered 302."


def test_a_receiver_that_drips_is_cut_off(there: Receiver) -> None:
    from webhooks.guard import checked

    there.drip = True
    begin = time.monotonic()
    with pytest.raises(SendingFailed):
        post(checked(there.url, rules()), b"{}", {}, seconds=0.4)
    assert time.monotonic() - begin < 3


def test_a_private_address_is_refused_at_sending_too(there: Receiver, settings: Settings) -> None:
    make_endpoint(there)
    settings.ACCORD_WEBHOOK_NETWORKS = ()
    emit(Event.JUDGEMENT_SUBMITTED, {}, project=None)
    send_all()
    assert there.requests == []
    assert "not public" in Delivery.objects.get().error


def test_a_paused_endpoint_is_told_nothing_and_erased_texts_do_not_wait(there: Receiver) -> None:
    endpoint = make_endpoint(there, texts=True)
    emit(Event.JUDGEMENT_SUBMITTED, {"judgement": 7}, project=None, texts={"comment": "my aunt"})
    assert texts_forget(judgements=[7], comparisons=[]) == 1
    assert "aunt" not in str(Delivery.objects.get().body)
    endpoint_switch(endpoint, active=False, actor=None)
    emit(Event.JUDGEMENT_SUBMITTED, {}, project=None)
    assert Delivery.objects.count() == 1


def test_unknown_events_and_ports_are_refused(there: Receiver) -> None:
    closed = "http://127.0.0.1:1/"
    for url, events in ((there.url, ["x"]), (there.url, []), (closed, ["round.failed"])):
        with pytest.raises(Invalid):
            endpoint_create(url=url, events=events, actor=None)


def test_an_admin_adds_pings_and_resends_on_the_pages(there: Receiver) -> None:
    project = make_project()
    browser = Client()
    browser.force_login(user_create(username="root", role=Role.ADMIN))
    form = {"url": there.url, "project": project.slug, "events": ["round.failed"]}
    assert "is not known" not in browser.post("/webhooks/", {**form, "url": "nonsense"}).content.decode()
    page = browser.post("/webhooks/", form).content.decode()
    endpoint = Endpoint.objects.get()
    assert endpoint.secret in page
    assert endpoint.secret not in browser.get("/webhooks/").content.decode()
    assert endpoint.secret not in str(list(AuditEntry.objects.values_list("data")))
    browser.post(f"/webhooks/{endpoint.pk}/ping/")
    assert json.loads(there.requests[0][2])["event"] == "ping"
    page = browser.get(f"/webhooks/{endpoint.pk}/").content.decode()
    assert "delivered" in page
    assert endpoint.secret not in page
    delivery = Delivery.objects.get()
    assert browser.post(f"/deliveries/{delivery.pk}/resend/").status_code == 302
    send_all()
    assert len(there.requests) == 2
    assert browser.post(f"/webhooks/{endpoint.pk}/nonsense/").status_code == 404
    browser.post(f"/webhooks/{endpoint.pk}/delete/")
    assert not Endpoint.objects.exists()
