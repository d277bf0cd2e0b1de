"""Every operation of the OpenAPI takes whatever schemathesis thinks of: no answer is a server's error, each
refusal is a sentence, and what is answered fits the schema.

In process, on the sample site, as an annotator, a project's admin and a site's admin; what a request wrote is
undone. Half of the requests lead to real objects, the others wherever they like.
"""

import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import schemathesis
from django.core.signals import got_request_exception
from django.db import transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema_rs import validator_for
from schemathesis.core import NotSet

from accord.api import api
from tests.roles.site import Site

NUM_EXAMPLES = {schemathesis.GenerationMode.POSITIVE: 2, schemathesis.GenerationMode.NEGATIVE: 1}
"""Requests to each operation: those that fit the schema, and those that do not, which take long to draw."""
EVERYTHING = False
"""Every hostile value in every place; else every fourth, in half of them."""
ROLES = ("annotator", "project admin", "site admin")
HOSTILE: tuple[Any, ...] = (  # Any: JSON
    "\0",
    "\ud800",
    "\u202e" * 40,
    "x" * 200_001,
    2**63,
    -(2**63) - 1,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    True,
    None,
    [],
    {},
    ["\0"],
    [[[[[[]]]]]],
    {"": {"\0": "\ud800"}},
)
HOSTILE_BODIES = (
    b"",
    b"\0",
    b"\xff\xfe{",
    b'{"a": "\xed\xa0\x80"}',
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"1" * 5_000,
    b"NaN",
    b'"text"',
    b"[]",
    b"null",
    b"<xml/>",
)
HOSTILE_TYPES = (
    "",
    "text/plain",
    "application/xml",
    "multipart/form-data",
    "application/json; charset=no-such",
)

pytestmark = pytest.mark.django_db
SCHEMA = json.loads(json.dumps(api.get_openapi_schema(), default=str))
OPERATIONS = [result.ok() for result in schemathesis.openapi.from_dict(SCHEMA).get_all_operations()]


class Fuzzed:
    """The sample site, which says what is wrong with an answer."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.num_requests = 0
        self.failures: list[str] = []
        self.problems: dict[str, str] = {}

    def note(self, **_: object) -> None:
        """A view met what it did not expect."""
        self.failures.append(traceback.format_exc())

    def send(
        self, operation: Any, role: str, path: str, body: bytes, content_type: str = "application/json"
    ) -> None:
        """One request, whose writing is undone; what is wrong with the answer is kept."""
        with transaction.atomic():
            client = self.site.program(role)
            client.raise_request_exception = False
            answer = client.generic(
                operation.method.upper(),
                path,
                body,
                content_type=content_type,
                headers={"Idempotency-Key": "fuzz"},
            )
            content = answer.getvalue()
            transaction.set_rollback(True)
        self.num_requests += 1
        problem = self._problem(operation, answer, content)
        if problem:
            shown = f"as {role}: {path[:300]} {body[:300]!r}: {problem[-1500:]}"
            self.problems.setdefault(f"{operation.label} {problem[-80:]}", shown)
        self.failures.clear()

    # Any: Django's response, as its test client changes it
    def _problem(self, operation: Any, answer: Any, content: bytes) -> str:
        status = answer.status_code
        if (status >= 500 and status != 503) or self.failures:
            return f"{status} {' '.join(self.failures)}"
        if status in (400, 403, 404, 409, 422, 503):
            detail = json.loads(content).get("detail")
            return "" if detail and isinstance(detail, str | list) else f"{status} without a sentence"
        described = operation.definition.raw["responses"].get(str(status))
        if described is None:
            return f"{status} is not in the schema"
        schema = described.get("content", {}).get("application/json", {}).get("schema")
        if not schema:
            return ""
        errors = list(
            validator_for({**schema, "components": SCHEMA["components"]}).iter_errors(json.loads(content))
        )
        return f"does not fit: {errors[0].message}" if errors else ""


@pytest.fixture
def fuzzed(tmp_path: Path, broker: str, request: pytest.FixtureRequest) -> Iterator[Fuzzed]:
    """The site, and at the end what was wrong."""
    request.getfixturevalue("settings").PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    fuzzed = Fuzzed(Site(tmp_path))
    got_request_exception.connect(fuzzed.note)
    yield fuzzed
    got_request_exception.disconnect(fuzzed.note)
    assert fuzzed.num_requests
    assert not fuzzed.problems, "\n\n".join(fuzzed.problems.values())


def real_path(operation: Any, site: Site) -> str:
    """The operation's path to objects that are there."""
    return site.case(operation.method.upper(), route_of(operation)).path


def route_of(operation: Any) -> str:
    """As Django's resolver and the table of roles write it."""
    return operation.path.replace("{slug}", "<slug:slug>").replace("{", "<").replace("}", ">")


def drawn_path(operation: Any, parameters: dict[str, Any]) -> str:
    """The path with what was drawn, percent-encoded."""
    path: str = operation.path
    for name, value in parameters.items():
        text = str(value).encode("utf-8", "surrogatepass")
        path = path.replace(f"{{{name}}}", quote(text, safe=""))
    return path


def query_of(values: dict[str, Any]) -> str:
    """A query string, lists as repeated names."""
    pairs = [
        (name, str(each).encode("utf-8", "surrogatepass"))
        for name, value in values.items()
        for each in (value if isinstance(value, list) else [value])
    ]
    return urlencode(pairs)


def test_no_request_breaks_the_server(fuzzed: Fuzzed) -> None:
    _send_what_is_drawn(fuzzed)
    _send_hostile_values(fuzzed)
    _send_hostile_bodies(fuzzed)


def _send_what_is_drawn(fuzzed: Fuzzed) -> None:
    for operation in OPERATIONS:
        _send_drawn(fuzzed, operation, schemathesis.GenerationMode.POSITIVE)
        if operation.path_parameters or operation.query or operation.body:
            _send_drawn(fuzzed, operation, schemathesis.GenerationMode.NEGATIVE)


def _send_drawn(fuzzed: Fuzzed, operation: Any, mode: Any) -> None:
    @settings(
        max_examples=NUM_EXAMPLES[mode],
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode), st.sampled_from(ROLES), st.booleans())
    def send(case: Any, role: str, real: bool) -> None:
        path = (
            real_path(operation, fuzzed.site) if real else drawn_path(operation, case.path_parameters or {})
        )
        query = query_of(case.query or {})
        body = case.body
        if isinstance(body, dict) and "lease" in body and real:
            body = {**body, "lease": str(fuzzed.site.assignment.lease)}
        if isinstance(body, bytes):
            written = body
        else:
            written = b"" if isinstance(body, NotSet) else json.dumps(body).encode()
        fuzzed.send(operation, role, path + (f"?{query}" if query else ""), written)

    send()


def _send_hostile_values(fuzzed: Fuzzed) -> None:
    for number, operation in enumerate(OPERATIONS):
        path = real_path(operation, fuzzed.site)
        names = [parameter.name for parameter in operation.query]
        values = HOSTILE if EVERYTHING else HOSTILE[number % 4 :: 4]
        for place, value in enumerate(values):
            role = ROLES[(number + place) % len(ROLES)]
            for name in names if EVERYTHING else names[place % 4 :: 4]:
                fuzzed.send(operation, role, f"{path}?{query_of({name: value})}", b"")
            if operation.path_parameters and operation.path.endswith("}"):
                parameters = {parameter.name: value for parameter in operation.path_parameters}
                fuzzed.send(operation, role, drawn_path(operation, parameters), b"{}")
            if not operation.body:
                continue
            right = fuzzed.site.case(operation.method.upper(), route_of(operation)).body
            fields = fields_of(operation)
            for name in fields if EVERYTHING else fields[place % 2 :: 2]:
                fuzzed.send(operation, role, path, json.dumps({**right, name: value}).encode())


def _send_hostile_bodies(fuzzed: Fuzzed) -> None:
    operations = [operation for operation in OPERATIONS if operation.body]
    for number, operation in enumerate(operations):
        path, role = real_path(operation, fuzzed.site), ROLES[number % len(ROLES)]
        for body in HOSTILE_BODIES:
            fuzzed.send(operation, role, path, body)
        for content_type in HOSTILE_TYPES:
            fuzzed.send(operation, role, path, b'{"a": 1}', content_type)


def fields_of(operation: Any) -> list[str]:
    """Names of the fields of the body."""
    schema = operation.definition.raw["requestBody"]["content"]["application/json"]["schema"]
    named = SCHEMA["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    return list(named["properties"])
