"""Ids that follow a request through its log lines and tasks."""

import json
import logging

import pytest
from django.test import Client

from accord.celery import app
from observing.context import current_ids, log_ids
from observing.logs import JsonFormatter, LineFormatter


def lines(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """What the JSON formatter makes of what was logged."""
    return [json.loads(JsonFormatter().format(record)) for record in caplog.records]


def test_a_line_is_one_json_object_with_ids_and_the_exception() -> None:
    record = logging.LogRecord("accord", logging.ERROR, "", 0, "broken\n%s", ("half",), None)
    record.status = 500
    try:
        raise ValueError("why")
    except ValueError as error:
        record.exc_info = (ValueError, error, error.__traceback__)
    with log_ids(request="a1", round=5, stage=None):
        line = JsonFormatter().format(record)
        text = LineFormatter("{message}", style="{").format(record)
    assert "\n" not in line
    told = json.loads(line)
    assert (told["message"], told["level"], told["status"]) == ("broken\nhalf", "ERROR", 500)
    assert (told["request"], told["round"]) == ("a1", 5)
    assert "stage" not in told
    assert "ValueError: why" in told["exception"]
    assert told["time"].endswith("Z")
    assert text.startswith("broken [request=a1 round=5]\nhalf")
    assert dict(current_ids()) == {}


@pytest.mark.django_db
@pytest.mark.usefixtures("broker")
def test_a_request_keeps_the_proxy_s_id_and_draws_its_own_for_anything_else(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "accord.requests")
    given = client.get("/healthz", headers={"X-Request-ID": "0123456789abcdef"})
    forged = client.get("/nowhere/at/all", headers={"X-Request-ID": 'x"\n{"level": "ok"}'})
    assert given["X-Request-ID"] == "0123456789abcdef"
    assert len(forged["X-Request-ID"]) == 16
    first, second = lines(caplog)
    assert (first["route"], first["status"], first["client"]) == ("/healthz", 200, "127.0.0.1")
    assert (second["route"], second["status"]) == ("unknown", 404)


def test_a_task_has_the_ids_of_who_sent_it_and_its_own_name() -> None:
    seen: list[dict[str, object]] = []

    @app.task(name="tests.observing.look")
    def look() -> None:
        seen.append(dict(current_ids()))

    headers: dict[str, object] = {}
    with log_ids(request="a1"):
        from observing.tasks import _sent

        _sent(headers=headers)
    look.apply(headers=headers)
    assert seen == [{"request": "a1", "task": "tests.observing.look"}]
    assert dict(current_ids()) == {}
