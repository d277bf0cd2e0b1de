"""Every route that writes leaves an entry in the audit log, whoever writes.

What a request has written is seen from its SQL, so that a new route that writes in silence fails.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django.fixtures import Settings

from accord.env import REPOSITORY
from accounts.models import AuditEntry
from tests.roles.site import ROLES, Site
from tests.roles.table import TABLE

pytestmark = pytest.mark.django_db

WRITES = re.compile(r'(?:INSERT INTO|DELETE FROM|UPDATE) "?([a-z]+_[a-z_]+)')
QUIET = {
    "accounts_apitoken": "when it was last used",
    "accounts_cache": "counts of attempts to log in",
    "accounts_auditentry": "the log itself",
    "django_session": "of the browser",
}
"""Tables that are written beside what people do."""

HANDED_OUT = "handing out is no deed: the judgement or verdict names what was handed out"
NO_WRITE = "looks something up; POST for its body"
WITHOUT = {
    "GET /projects/<slug:slug>/annotate/": HANDED_OUT,
    "POST /projects/<slug:slug>/annotate/next/": HANDED_OUT,
    "POST /api/v1/projects/<slug:slug>/next": HANDED_OUT,
    "GET /projects/<slug:slug>/documents/<int:pk>/read/": HANDED_OUT,
    "POST /projects/<slug:slug>/annotate/feedback/": "that feedback was read: the check is in the log",
    "PUT /api/v1/comparisons/<comparison_id>/draft": "written over at every key; what is submitted counts",
    "POST /rounds/new/trial/": "a machine times a base; nothing of a project changes",
    "POST /i18n/setlang/": "a cookie",
    "POST /account/again/": "asks who is there; what they do then is in the log",
    "POST /account/again/passkey/": "asks who is there; what they do then is in the log",
    "POST /account/again/code/": "asks who is there; what they do then is in the log",
    "POST /markdown/": NO_WRITE,
    "POST /rounds/new/plan/": NO_WRITE,
    "POST /rounds/new/preview/": NO_WRITE,
    "POST /api/v1/rounds/forecast": NO_WRITE,
    "POST /api/v1/projects/<slug:slug>/prompts/draw": NO_WRITE,
}
"""Routes that write nothing that the log should have, and why."""

ELSEWHERE = {
    "POST /login/": "user.login",
    "POST /account/password/": "user.password",
    "POST /join/": "invitation.accept",
    "POST /login/second/": "user.login",
    "POST /login/passkey/": "user.login",
    "POST /account/second-factor/passkeys/add/": "second_factor.add",
    "POST /account/second-factor/passkeys/<int:pk>/remove/": "second_factor.remove",
    "POST /account/second-factor/app/": "second_factor.add",
    "POST /account/second-factor/app/off/": "second_factor.remove",
    "POST /account/second-factor/codes/new/": "second_factor.codes",
    "POST /models/compare/": "models.compare",
    "POST /api/v1/model-comparisons": "models.compare",
    "POST /webhooks/": "webhook.create",
    "POST /erase/": "erase.person",
    "POST /projects/<slug:slug>/settings/": "project.update",
    "POST /projects/<slug:slug>/documents/import/": "document_review.import_start",
    "POST /projects/<slug:slug>/documents/imports/<int:pk>/restart/": "document_review.import_restart",
    "POST /projects/<slug:slug>/documents/<int:pk>/read/<int:document>/": "document.judge",
    "POST /projects/<slug:slug>/guidelines/read/": "guidelines.read",
    "POST /rounds/new/": "round.launch",
    "POST /rounds/<int:pk>/resume/": "round.resume",
    "POST /rounds/<int:pk>/retry/": "round.retry",
    "POST /rounds/<int:pk>/rerun/": "round.rerun",
    "POST /stages/<int:pk>/retry/": "round.retry",
    "POST /stages/<int:pk>/gate/": "gate.override",
    "POST /api/v1/dialogs/<dialog_id>/turn": "dialog.ask",
    "POST /api/v1/pairs/<request_id>/retry": "dialog.ask_again",
    "DELETE /api/v1/refinements/<refinement_id>": "answer.refine.cancel",
    "POST /api/v1/rounds": "round.launch",
    "POST /api/v1/rounds/<round_id>/resume": "round.resume",
    "POST /api/v1/rounds/<round_id>/retry": "round.retry",
    "POST /api/v1/rounds/<round_id>/rerun": "round.rerun",
}
"""Routes that refuse on the sample site and undo what they began; the entry of the service behind them."""

EXAMPLE = {
    **{"prompt": "?", "left": "a", "right": "b", "preferred": "left"},
    **{"strength": "better", "why": "It is.", "position": "0"},
}
BODIES: dict[str, dict[str, str]] = {
    "POST /projects/new/": {
        **{"name": "New", "slug": "new", "overlap": "1", "lease_seconds": "600", "max_tokens": "100"},
    },
    "POST /projects/<slug:slug>/checks/": {
        **{"kind": "gold", "prompt": "?", "better": "a", "worse": "b"},
        **{"weakest": "better", "strongest": "significantly_better"},
    },
    "POST /projects/<slug:slug>/disagreements/<int:pk>/": {"choice": "left-better"},
    "POST /projects/<slug:slug>/progress/": {
        **{"judgements_wanted": "7", "currency": "EUR", "pay_per_judgement": "1"},
        **{"pay_per_hour": "0", "fair_pay_per_hour": "0"},
    },
    "POST /projects/<slug:slug>/guidelines/examples/": EXAMPLE,
    "POST /projects/<slug:slug>/guidelines/examples/<int:pk>/": EXAMPLE,
}
"""What is sent here that the matrix of roles does not send."""


class Looks:
    """Which tables a request writes."""

    def __init__(self) -> None:
        self.tables: set[str] = set()

    def __call__(self, execute: Callable[..., Any], sql: str, *call: Any) -> Any:  # Any: as Django has it
        self.tables.update(table for table in WRITES.findall(sql) if table not in QUIET)
        return execute(sql, *call)


def test_every_write_leaves_an_audit_entry(tmp_path: Path, broker: str, settings: Settings) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    site = Site(tmp_path)
    site._bodies |= BODIES
    wrong: list[str] = []
    for row in TABLE:
        method, route = row.split(" ", 1)
        noted = False
        for role in ROLES[1:]:
            looks = Looks()
            with transaction.atomic():
                before = AuditEntry.objects.count()
                with connection.execute_wrapper(looks):
                    site.request(role, method, route)
                is_noted = AuditEntry.objects.count() > before
                transaction.set_rollback(True)
            noted |= is_noted
            if looks.tables and not is_noted and row not in {**WITHOUT, **ELSEWHERE}:
                wrong.append(f"{row} as {role} writes {sorted(looks.tables)} and no audit entry")
        if method not in ("GET", "HEAD") and not (noted or row in WITHOUT or row in ELSEWHERE):
            wrong.append(f"{row} leaves no audit entry: is what is sent here right?")
        if noted and row in {**WITHOUT, **ELSEWHERE}:
            wrong.append(f"{row} leaves an audit entry: it needs no exception")
    assert not wrong, "\n".join(wrong)


def test_the_exceptions_are_of_routes_and_entries_that_there_are() -> None:
    assert {*WITHOUT, *ELSEWHERE, *BODIES} <= set(TABLE)
    written = "".join(
        path.read_text()
        for folder in ("accounts", "webhooks", "registry", "reviewing", "web")
        for path in (REPOSITORY / "platform" / folder).rglob("*.py")
    )
    for folder in ("annotation", "alignment"):
        written += "".join(path.read_text() for path in (REPOSITORY / folder).rglob("*.py"))
    assert not [action for action in ELSEWHERE.values() if f'"{action}"' not in written]
