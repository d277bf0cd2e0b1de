"""Every route, with every method, as somebody of every role: what the table says, and no model to annotators.

The routes are those of Django's resolver, so that a new one without a row in `tests/roles/table.py` fails.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.db import transaction
from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django.fixtures import Settings

from accord.api import api
from tests.roles.site import ROLES, SECRET, Site
from tests.roles.table import ADMIN_SITE, ANY_METHOD, TABLE

REFUSED = ("GET", "POST", "DELETE")
"""Methods that a route without a row for them must refuse."""
BLIND = ("anonymous", "annotator", "outsider")
"""Those who may learn of no model."""

pytestmark = pytest.mark.django_db


@pytest.fixture
def roles_site(tmp_path: Path, broker: str, settings: Settings) -> Site:
    """The site with somebody of each role."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return Site(tmp_path)


def routes(patterns: list[URLPattern | URLResolver] | None = None, before: str = "/") -> Iterator[str]:
    """Every route of the site but those of Django's admin."""
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        route = f"{before}{pattern.pattern}"
        if isinstance(pattern, URLPattern):
            yield route
        elif route != ADMIN_SITE:
            yield from routes(pattern.url_patterns, route)


def answer(site: Site, role: str, method: str, route: str) -> HttpResponse:
    """The answer; what it wrote is undone."""
    with transaction.atomic():
        response = site.request(role, method, route)
        transaction.set_rollback(True)
    return response


def test_every_route_answers_each_role_as_the_table_says(roles_site: Site) -> None:
    wrong: list[str] = []
    for row, statuses in TABLE.items():
        method, route = row.split(" ", 1)
        for role, status in zip(ROLES, statuses.split(), strict=True):
            response = answer(roles_site, role, method, route)
            if str(response.status_code) != status:
                wrong.append(f"{row} as {role}: {response.status_code}, not {status}")
            told = f"{response.headers} {response.getvalue().decode(errors='replace')}".lower()
            if role in BLIND and SECRET in told:
                wrong.append(f"{row} tells {role} of a model")
    for route in set(routes()) - ANY_METHOD:
        for method in REFUSED:
            if f"{method} {route}" not in TABLE:
                refusal = answer(roles_site, "site admin", method, route).status_code
                if refusal != 405:
                    wrong.append(f"{method} {route}: {refusal}, and no row in tests/roles/table.py")
    for route in (ADMIN_SITE, f"{ADMIN_SITE}accounts/user/", f"{ADMIN_SITE}annotation/judgement/"):
        found = [answer(roles_site, role, "GET", route).status_code for role in ROLES]
        if found != [302, 403, 403, 403, 403, 403, 200]:
            wrong.append(f"{route}: {found}, and it is for site admins alone")
    assert not wrong, "\n".join(wrong)


def test_the_table_has_rows_for_all_routes_and_no_others() -> None:
    named = {row.split(" ", 1)[1] for row in TABLE}
    assert named == set(routes())


def test_every_operation_of_the_openapi_has_a_row() -> None:
    paths = api.get_openapi_schema()["paths"]
    named = {
        f"{method.upper()} {path.replace('{', '<').replace('}', '>')}"
        for path, operations in paths.items()
        for method in operations
    }
    known = {row.replace("<slug:slug>", "<slug>") for row in TABLE}
    assert named <= known, named - known
