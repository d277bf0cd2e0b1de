"""What a login tells of names, and what logs tell of secrets."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import hashers
from django.test import Client

from accounts.models import AuditEntry
from accounts.services import token_create, user_create
from observing.logs import JsonFormatter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker")]

PASSWORD = "a quiet morning in June"


def test_an_unknown_name_costs_the_work_of_a_wrong_password(monkeypatch: pytest.MonkeyPatch) -> None:
    user_create(username="ann", password=PASSWORD)
    hashed: list[str] = []
    whole = hashers.PBKDF2PasswordHasher.encode

    def counted(self: Any, password: str, *rest: Any, **more: Any) -> str:  # Any: as Django has it
        hashed.append(password)
        return whole(self, password, *rest, **more)

    monkeypatch.setattr(hashers.PBKDF2PasswordHasher, "encode", counted)
    told = {}
    for name in ("ann", "nobody"):
        hashed.clear()
        answer = Client().post("/login/", {"login": name, "password": "wrong"})
        told[name] = (answer.status_code, len(hashed), answer.content.decode().replace(name, "NAME"))
    pages = [re.sub("[A-Za-z0-9]{64}", "", text) for _, _, text in told.values()]
    assert told["ann"][:2] == told["nobody"][:2]
    assert told["ann"][1] > 0
    assert pages[0] == pages[1]


def test_no_secret_stands_in_a_log_or_in_the_audit_log(
    caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    user = user_create(username="ann", password=PASSWORD)
    _, secret = token_create(user, name="laptop")
    client = Client(raise_request_exception=False)
    for password in (PASSWORD, "another secret of hers"):
        client.post("/login/", {"login": "ann", "password": password})
    headers = {"Authorization": f"Bearer {secret}"}
    for path in ("/api/v1/projects", "/api/v1/nowhere", f"/api/v1/projects?token={secret[:4]}"):
        client.get(path, headers=headers)
    client.post("/account/", {"name": "new", "days": "1"})
    made = client.get("/account/").content.decode()
    lines = "\n".join(JsonFormatter().format(record) for record in caplog.records)
    kept = json.dumps(list(AuditEntry.objects.values("action", "data")), default=str)
    for hidden in (PASSWORD, "another secret of hers", secret, secret[8:]):
        assert hidden not in lines
        assert hidden not in kept
        assert hidden not in made
