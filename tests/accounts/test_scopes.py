"""What a token's scopes let it do, at every operation of the API."""

import json
import re

import pytest
from django.test import Client

from accord.api import api
from accounts.errors import Invalid
from accounts.models import ApiToken, Role, Scope, User
from accounts.services import token_create, user_create

ANNOTATING = {
    "GET /api/v1/projects",
    "GET /api/v1/projects/{slug}",
    "POST /api/v1/projects/{slug}/next",
    "POST /api/v1/comparisons/{comparison_id}/judgement",
    "PUT /api/v1/comparisons/{comparison_id}/draft",
    "POST /api/v1/comparisons/{comparison_id}/skip",
    "POST /api/v1/comparisons/{comparison_id}/flag",
    "POST /api/v1/comparisons/{comparison_id}/refinements",
    "POST /api/v1/dialogs/{dialog_id}/turn",
    "POST /api/v1/projects/{slug}/dialogs",
    "POST /api/v1/projects/{slug}/prompts/draw",
    "GET /api/v1/projects/{slug}/pairs",
    "POST /api/v1/pairs/{request_id}/retry",
    "DELETE /api/v1/pairs/{request_id}",
    "GET /api/v1/refinements/{refinement_id}",
    "DELETE /api/v1/refinements/{refinement_id}",
}
"""Operations of who compares answers: nothing else is open to a token that may only annotate."""

pytestmark = pytest.mark.django_db


@pytest.fixture
def admin() -> User:
    return user_create(username="maria", role=Role.ADMIN)


def operations() -> list[str]:
    """Every operation: its method and its path."""
    paths = api.get_openapi_schema()["paths"]
    return [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]


def enough(operation: str) -> set[Scope]:
    """Scopes any of which lets a token in."""
    reading = {Scope.READ} if operation.startswith("GET ") else set()
    if operation in ANNOTATING:
        return reading | {Scope.ANNOTATE}
    return reading or {Scope.MANAGE}


def test_every_operation_asks_for_its_scope_and_no_other(admin: User) -> None:
    assert set(operations()) >= ANNOTATING
    client = Client()
    wrong: list[str] = []
    for scope in Scope:
        _, secret = token_create(admin, name=scope, scopes=[scope])
        for operation in operations():
            method, path = operation.split(" ")
            response = client.generic(
                method,
                re.sub(r"\{.*?\}", "1", path),
                json.dumps({}),
                content_type="application/json",
                headers={"Authorization": f"Bearer {secret}"},
            )
            refused = response.status_code == 403 and "has no scope" in response.json()["detail"]
            if refused == (scope in enough(operation)):
                wrong.append(f"{operation} with {scope}: {response.status_code}")
    assert not wrong, "\n".join(wrong)


def test_a_refusal_names_the_missing_scope(admin: User) -> None:
    _, secret = token_create(admin, name="export", scopes=[Scope.READ])
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    refusal = client.post("/api/v1/rounds/1/cancel")
    assert refusal.status_code == 403
    assert "no scope 'manage'" in refusal.json()["detail"]
    assert client.get("/api/v1/rounds").status_code == 200


def test_a_scope_never_gives_more_than_its_owner_may_do() -> None:
    _, secret = token_create(user_create(username="tomas"), name="all")
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    assert client.get("/api/v1/rounds").status_code == 403


def test_tokens_made_before_scopes_keep_all_of_them(admin: User) -> None:
    """The migration fills the column with the field's default."""
    assert ApiToken(user=admin, name="old").scopes.split() == Scope.values


@pytest.mark.parametrize("scopes", [[], ["everything"], ["read", "root"]])
def test_a_token_without_a_known_scope_is_refused(admin: User, scopes: list[str]) -> None:
    with pytest.raises(Invalid, match="read, annotate, manage"):
        token_create(admin, name="x", scopes=scopes)
    assert not ApiToken.objects.exists()
