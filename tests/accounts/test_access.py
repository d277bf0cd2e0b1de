"""Who gets in: tokens, sessions with CSRF, roles; and what the audit log keeps."""

import hashlib
from datetime import timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.errors import Conflict, Invalid
from accounts.models import ApiToken, AuditEntry, Role, User
from accounts.services import token_create, token_grant, token_revoke, user_create

pytestmark = pytest.mark.django_db

PROJECTS = "/api/v1/projects"


def get(secret: str) -> int:
    """The status of a request with this bearer token."""
    return Client().get(PROJECTS, headers={"Authorization": f"Bearer {secret}"}).status_code


def test_a_token_opens_the_api_and_only_its_hash_is_kept() -> None:
    user = user_create(username="ann")
    token, secret = token_create(user, name="laptop")
    assert get(secret) == 200
    assert secret not in str(ApiToken.objects.values())
    assert token.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert secret.startswith(token.prefix)


@pytest.mark.parametrize("secret", ["", "wrong", "accord_", "é", "a b"])
def test_an_unknown_token_is_401(secret: str) -> None:
    assert get(secret) == 401
    assert Client().get(PROJECTS).status_code == 401
    assert Client().post(f"{PROJECTS}/helpful/next").status_code == 401


def test_tokens_end_when_they_run_out_are_revoked_or_their_owner_leaves() -> None:
    user = user_create(username="ann")
    _, old = token_create(user, name="old", expires_at=timezone.now() - timedelta(seconds=1))
    _, future = token_create(user, name="future", expires_at=timezone.now() + timedelta(hours=1))
    revoked_token, revoked = token_create(user, name="revoked")
    token_revoke(revoked_token, actor=user)
    assert [get(secret) for secret in (old, revoked, future)] == [401, 401, 200]
    User.objects.update(is_active=False)
    assert get(future) == 401


def test_the_last_use_is_noted_but_not_at_every_request() -> None:
    _, secret = token_create(user_create(username="ann"), name="laptop")
    token_grant(secret)
    assert ApiToken.objects.get().last_used_at is not None
    with CaptureQueriesContext(connection) as queries:
        token_grant(secret)
    assert len(queries) == 1


def test_a_session_opens_the_api_but_writing_needs_the_csrf_token() -> None:
    user_create(username="ann", password="a long passphrase")
    client = Client(enforce_csrf_checks=True)
    assert client.login(username="ann", password="a long passphrase")
    assert client.get(PROJECTS).status_code == 200
    assert client.post(f"{PROJECTS}/helpful/next").status_code == 403
    client.cookies["csrftoken"] = "x" * 32
    headers = {"X-CSRFToken": "x" * 32}
    assert client.post(f"{PROJECTS}/helpful/next", headers=headers).status_code == 404


def test_a_taken_name_and_a_weak_password_are_refused() -> None:
    user_create(username="ann")
    with pytest.raises(Conflict, match="already"):
        user_create(username="ann")
    with pytest.raises(Invalid, match="too short"):
        user_create(username="bob", password="short")


def test_everybody_gets_a_pseudonym_of_their_own_that_says_nothing() -> None:
    people = [user_create(username=f"ann-{number}") for number in range(3)]
    assert len({person.pseudonym for person in people}) == 3
    assert not any("ann" in person.pseudonym for person in people)


def test_roles_say_who_may_see_what() -> None:
    admin, reviewer, annotator = (user_create(username=role, role=role) for role in reversed(Role))
    assert [user.is_admin for user in (admin, reviewer, annotator)] == [True, False, False]
    assert [user.is_reviewer for user in (admin, reviewer, annotator)] == [True, True, False]


def test_djangos_superusers_are_admins() -> None:
    call_command("createsuperuser", username="root", email="r@example.org", interactive=False, verbosity=0)
    assert User.objects.get().is_admin


def test_making_people_and_tokens_leaves_audit_rows() -> None:
    admin = user_create(username="root", role=Role.ADMIN)
    user = user_create(username="ann", actor=admin)
    token, _ = token_create(user, name="laptop")
    token_revoke(token, actor=admin)
    entries = AuditEntry.objects.order_by("pk").values_list("actor__username", "action", "subject_type")
    assert list(entries) == [
        (None, "user.create", "accounts.user"),
        ("root", "user.create", "accounts.user"),
        ("ann", "token.create", "accounts.apitoken"),
        ("root", "token.revoke", "accounts.apitoken"),
    ]


def test_the_audit_log_is_read_only_in_the_admin(client: Client) -> None:
    admin = user_create(username="root", role=Role.ADMIN)
    client.force_login(admin)
    entry = AuditEntry.objects.get()
    assert client.get("/admin/accounts/auditentry/").status_code == 200
    assert client.get(f"/admin/accounts/auditentry/{entry.pk}/change/").status_code == 200
    assert client.get("/admin/accounts/auditentry/add/").status_code == 403
    assert client.post(f"/admin/accounts/auditentry/{entry.pk}/delete/").status_code == 403
    for page in ("user", "apitoken"):
        assert client.get(f"/admin/accounts/{page}/").status_code == 200
