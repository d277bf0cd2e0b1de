"""Projects, people and comparisons for tests, and a client that speaks the API as one of those people."""

import json
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from accounts.models import Role, User
from accounts.services import token_create, user_create
from annotation.models import Assignment, Comparison, Project, Prompt, Response
from annotation.services import comparison_create, membership_set, project_create


def make_project(slug: str = "helpful", **fields: Any) -> Project:
    """A project with nothing in it, whose edits nobody judges again: which ones that are is drawn."""
    return project_create(slug=slug, **{"edit_share": 0.0, **fields})


def make_annotator(project: Project, name: str = "ann", role: Role = Role.ANNOTATOR) -> User:
    """A person of the project."""
    user = user_create(username=name)
    membership_set(project, user, role)
    return user


def make_comparisons(project: Project, count: int, *, round_number: int | None = None) -> list[Comparison]:
    """Open comparisons, each of a prompt of its own."""
    return [
        make_comparison(project, f"question {number}", round_number=round_number) for number in range(count)
    ]


def make_comparison(
    project: Project,
    question: str,
    *,
    answers: tuple[str, str] = ("a long answer", "an answer"),
    round_number: int | None = None,
    domain: str = "general",
) -> Comparison:
    """One open comparison."""
    prompt = Prompt.objects.create(
        project=project,
        external_id=uuid.uuid4().hex,
        domain=domain,
        context=[{"role": "user", "content": question}],
    )
    left, right = (
        Response.objects.create(project=project, content=content, model_name=f"model-{place}")
        for place, content in enumerate(answers)
    )
    return comparison_create(
        prompt=prompt, left=left, right=right, round_number=round_number or project.current_round
    )


@dataclass(frozen=True)
class Reply:
    """What the API said."""

    status: int
    body: Any


class Annotator:
    """One person at the API, with a bearer token."""

    def __init__(self, user: User) -> None:
        self.user = user
        _, secret = token_create(user, name="test")
        self._client = Client(headers={"Authorization": f"Bearer {secret}"})

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Send one request to /api/v1."""
        response = self._client.generic(
            method,
            f"/api/v1{path}",
            body if isinstance(body, str) else _json(body),
            content_type="application/json",
            headers={name.replace("_", "-"): value for name, value in headers.items()},
        )
        is_json = response.content and response["Content-Type"].startswith("application/json")
        return Reply(response.status_code, response.json() if is_json else None)

    def next(self, project: Project) -> Any:
        """The comparison handed out, or None."""
        reply = self.call("POST", f"/projects/{project.slug}/next")
        assert reply.status in (200, 204), reply
        return reply.body["comparison"] if reply.body else None

    def judge(self, comparison: Any, key: str | None = None, **fields: Any) -> Reply:
        """Judge what `next` handed out; `fields` stand in place of the usual ones."""
        body = {"lease": comparison["lease"], "preferred": "left", "strength": "better", **fields}
        return self.call(
            "POST",
            f"/comparisons/{comparison['id']}/judgement",
            body,
            Idempotency_Key=key or uuid.uuid4().hex,
        )


def _json(body: Any) -> str:
    return "" if body is None else json.dumps(body)


def lease_end(annotator: Annotator, *, seconds_ago: int = 1) -> None:
    """Let the annotator's lease run out."""
    Assignment.objects.filter(annotator=annotator.user, state="active").update(
        expires_at=timezone.now() - timedelta(seconds=seconds_ago)
    )
