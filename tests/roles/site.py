"""Somebody of each role, and a path and a body for each route that lead to real objects of one project."""

import json
import uuid
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from allauth.usersessions.models import UserSession
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import F, Value
from django.db.models.functions import Concat
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from accounts.models import Role, User
from accounts.services import token_create, user_create
from alignment.models import GatePair, ModelComparison, Program, Stage
from annotation.conflicts import ConflictFilter, conflict_ids, decided
from annotation.figures.edits_again import lost_edit_ids
from annotation.models import Comparison, ImportJob, PairRequest, Refinement, Response
from annotation.services import comparison_next, membership_set
from annotation.services.invitations import invitation_create
from registry.models import Checkpoint, Deployment
from reviewing.models import ReviewImport
from tests.annotation.factories import make_project
from tests.e2e.sample_site import SampleSite, make_sample_site
from webhooks.models import Delivery, Endpoint

ROLES = (
    "anonymous",
    "annotator",
    "reviewer",
    "project admin",
    "outsider",
    "site reviewer",
    "site admin",
)
"""Annotator, reviewer and project admin are members of the project; outsider is an annotator of another."""

SECRET = "orchid"
"""In the name, path and address of every model of the site."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One request to a route."""

    path: str
    body: dict[str, Any]
    headers: dict[str, str]


class Site:
    """The sample site, with a client for each role."""

    def __init__(self, folder: Path) -> None:
        self.sample: SampleSite = make_sample_site(folder)
        project = self.sample.project
        _hide_models()
        other = make_project("other")
        self.annotator = self.sample.annotator
        reviewer, project_admin, outsider = (user_create(username=f"x-{n}") for n in range(3))
        membership_set(project, reviewer, Role.REVIEWER)
        membership_set(project, project_admin, Role.ADMIN)
        membership_set(other, outsider, Role.ANNOTATOR)
        people = (
            self.annotator,
            reviewer,
            project_admin,
            outsider,
            user_create(username="site-reviewer", role=Role.REVIEWER),
            self.sample.admin,
        )
        assignment = comparison_next(project, self.annotator)
        assert assignment is not None
        self.assignment = assignment
        self._browser = Client()
        self._cookies = {"anonymous": Client().cookies}
        self._programs = {"anonymous": Client()}
        for role, user in zip(ROLES[1:], people, strict=True):
            self._cookies[role] = _browser_of(user).cookies
            _, secret = token_create(user, name="test")
            self._programs[role] = Client(headers={"Authorization": f"Bearer {secret}"})
        self._objects = self._keys()
        self._bodies = self._forms()

    def request(self, role: str, method: str, route: str) -> HttpResponse:
        """What the route answers to this role."""
        case = self.case(method, route)
        if not case.path.startswith("/api/"):
            # One browser for all: each makes the middleware anew, which takes longer than a request.
            self._browser.cookies = deepcopy(self._cookies[role])
            send: Callable[..., HttpResponse] = getattr(self._browser, method.lower())
            for value in case.body.values():
                if isinstance(value, SimpleUploadedFile):
                    value.seek(0)
            return send(case.path, case.body)
        client = self._programs[role]
        response = client.generic(
            method,
            case.path,
            json.dumps(case.body),
            content_type="application/json",
            headers=case.headers,
        )
        return cast(HttpResponse, response)

    def program(self, role: str) -> Client:
        """The client with a token of somebody of this role."""
        return self._programs[role]

    def case(self, method: str, route: str) -> Case:
        """Path, body and headers of a request to the route."""
        path = route
        for name, value in {**self._objects.get("", {}), **self._objects.get(route, {})}.items():
            for form in (f"<slug:{name}>", f"<int:{name}>", f"<path:{name}>", f"<{name}>"):
                path = path.replace(form, str(value))
        assert "<" not in path, f"Say in tests/roles/site.py which object {route} is tried on."
        body = self._bodies.get(f"{method} {route}", {})
        return Case(path=path, body=body, headers={"Idempotency-Key": uuid.uuid4().hex})

    def _keys(self) -> dict[str, dict[str, object]]:
        """What each route's parameters are; those under "" are the same for all."""
        sample = self.sample
        project, comparison = sample.project, self.assignment.comparison
        flagged = Comparison.objects.get(project=project, state=Comparison.State.FLAGGED)
        failed = sample.round.stages.get(name=Stage.Name.DPO)
        pair = GatePair.objects.filter(stage=sample.gate, verdict="").first()
        assert pair is not None
        program = Program.objects.filter(stage__round=sample.round).first()
        assert program is not None
        token = self.annotator.api_tokens.get(name="Nightly export")
        signed_in = UserSession.objects.create(user=self.annotator, ip="192.0.2.7", session_key="x")
        endpoint = Endpoint.objects.create(url="https://example.org/", events=["round.failed"])
        delivery = Delivery.objects.create(endpoint=endpoint, event="round.failed", body={}, state="failed")
        member = project.memberships.get(user=sample.colleague)
        example = project.guideline_examples.all()[0]
        asked = ModelComparison.objects.get()
        lost = ImportJob.objects.get(file_name="lost.jsonl.gz")
        reviewed: dict[str, object] = {
            "pk": sample.documents.pk,
            "document": sample.documents.documents.all()[0].pk,
        }
        documents = "/projects/<slug:slug>/documents/<int:pk>/"
        soon = timezone.now() + timedelta(days=1)
        invited, invitation = invitation_create(role=Role.ANNOTATOR, expires_at=soon, actor=sample.admin)
        drawing = ReviewImport.objects.create(project=project, run="x", name="x", size=1)
        return {
            "": {
                "slug": project.slug,
                "comparison_id": comparison.pk,
                "dialog_id": comparison.dialog_id,
                "request_id": self._pair_request().pk,
                "refinement_id": self._refinement().pk,
                "round_id": sample.round.pk,
                "person_id": sample.qualified.pk,
                "name": f"{SECRET}-{sample.checkpoint.name}",
            },
            "/api/v1/projects/<slug:slug>/releases/<number>/withdraw-pairs": {"number": 1},
            "/bundles/<slug:digest>/<path:path>": {"digest": "0", "path": "web/page.css"},
            "/account/tokens/<int:pk>/revoke/": {"pk": token.pk},
            "/account/sessions/<int:pk>/end/": {"pk": signed_in.pk},
            "/account/second-factor/passkeys/<int:pk>/remove/": {"pk": 0},
            "/invitations/<int:pk>/revoke/": {"pk": invited.pk},
            "/join/<slug:secret>/": {"secret": invitation},
            "/webhooks/<int:pk>/": {"pk": delivery.endpoint_id},
            "/webhooks/<int:pk>/<slug:deed>/": {"pk": delivery.endpoint_id, "deed": "pause"},
            "/deliveries/<int:pk>/resend/": {"pk": delivery.pk},
            "/models/<int:pk>/": {"pk": sample.checkpoint.pk},
            "/models/<int:pk>/tokens/": {"pk": sample.checkpoint.pk},
            "/models/<int:pk>/card/": {"pk": sample.checkpoint.pk},
            "/models/<int:pk>/licence/": {"pk": sample.checkpoint.pk},
            "/compared/<int:pk>/": {"pk": asked.pk},
            "/compared/<int:pk>/cancel/": {"pk": asked.pk},
            "/api/v1/model-comparisons/<comparison_id>": {"comparison_id": asked.pk},
            "/projects/<slug:slug>/people/<int:pk>/remove/": {"pk": member.pk},
            "/projects/<slug:slug>/flagged/<int:pk>/": {"pk": flagged.pk},
            "/projects/<slug:slug>/checks/<int:pk>/": {"pk": project.checks.order_by("pk")[0].pk},
            "/projects/<slug:slug>/quality/edits/<int:pk>/leave-out/": {"pk": lost_edit_ids(project)[0]},
            "/projects/<slug:slug>/disagreements/<int:pk>/": {
                "pk": conflict_ids(project, ConflictFilter())[0]
            },
            "/projects/<slug:slug>/decisions/<int:pk>/undo/": {"pk": decided(project)[0].pk},
            "/projects/<slug:slug>/people/<int:pk>/": {"pk": sample.qualified.pk},
            "/projects/<slug:slug>/people/<int:pk>/act/": {"pk": sample.qualified.pk},
            "/projects/<slug:slug>/guidelines/examples/<int:pk>/": {"pk": example.pk},
            "/projects/<slug:slug>/guidelines/examples/<int:pk>/delete/": {"pk": example.pk},
            "/projects/<slug:slug>/reports/<slug:table>.csv": {"table": "preference-data"},
            "/projects/<slug:slug>/data/imports/<int:pk>/restart/": {"pk": lost.pk},
            "/api/v1/projects/<slug:slug>/filters/<name>": {"name": "Strong%20grades"},
            **{
                f"{documents}{rest}": reviewed
                for rest in ("", "open/", "recipe.json", "labels.jsonl", "read/", "read/<int:document>/")
            },
            "/projects/<slug:slug>/documents/imports/<int:pk>/restart/": {"pk": drawing.pk},
            **{f"{documents}read/<int:document>/{deed}/": reviewed for deed in ("take-back", "reveal")},
            "/rounds/<int:pk>/": {"pk": sample.round.pk},
            "/rounds/<int:pk>/cancel/": {"pk": sample.round.pk},
            "/rounds/<int:pk>/pause/": {"pk": sample.round.pk},
            "/rounds/<int:pk>/resume/": {"pk": sample.round.pk},
            "/rounds/<int:pk>/retry/": {"pk": sample.round.pk},
            "/rounds/<int:pk>/rerun/": {"pk": sample.round.pk},
            "/stages/<int:pk>/retry/": {"pk": failed.pk},
            "/stages/<int:pk>/gate/": {"pk": sample.gate.pk},
            "/stages/<int:pk>/pairs/": {"pk": sample.gate.pk},
            "/pairs/<int:pk>/": {"pk": pair.pk},
            "/programs/<int:pk>/": {"pk": program.pk},
            "/programs/<int:pk>/tokens/": {"pk": program.pk},
        }

    def _pair_request(self) -> PairRequest:
        """Two answers that the annotator waits for."""
        dialog = self.assignment.comparison.dialog
        return PairRequest.objects.create(
            project=self.sample.project,
            annotator=self.annotator,
            dialog=dialog,
            turn=1,
            context=self.assignment.comparison.context,
            round=1,
        )

    def _refinement(self) -> Refinement:
        """An answer that was written anew for the annotator."""
        deployment = Deployment.objects.filter(state=Deployment.State.LIVE).first()
        assert deployment is not None
        return Refinement.objects.create(
            assignment=self.assignment,
            side="left",
            base="an answer",
            feedback="shorter",
            content="shorter",
            state=Refinement.State.READY,
            deployment=deployment,
            model_name=deployment.checkpoint.name,
        )

    def _forms(self) -> dict[str, dict[str, Any]]:
        """What is sent where an empty body would not do."""
        lease = str(self.assignment.lease)
        prompts = SimpleUploadedFile("prompts.jsonl", b'{"prompt": "Why?"}\n')
        return {
            "GET /events/": {"topics": f"round:{self.sample.round.pk}"},
            "POST /account/password/": {"old_password": "x", "new_password1": "y", "new_password2": "y"},
            "POST /projects/new/": {"name": "No slug"},
            "POST /rounds/new/": {"project": "nowhere"},
            "POST /projects/<slug:slug>/settings/": {"name": ""},
            "POST /account/notifications/": {"email": "a@example.org", "events": ["round.failed"]},
            "POST /webhooks/": {"url": "ftp://example.org/", "events": ["round.failed"]},
            "POST /projects/<slug:slug>/sensitive/": {"decision": "in"},
            "POST /erase/": {"what": "person", "name": "nobody"},
            "POST /invitations/": {"days": "7", "role": "annotator", "project_role": "annotator"},
            "POST /account/": {"name": "nightly", "days": "30", "scopes": ["read"]},
            "POST /projects/<slug:slug>/prompts/": {"file": prompts, "holdout": "0"},
            "POST /projects/<slug:slug>/people/": {"username": "newcomer", "role": "annotator"},
            "POST /projects/<slug:slug>/flagged/<int:pk>/": {"decision": "keep"},
            "POST /projects/<slug:slug>/people/<int:pk>/act/": {"act": "exclude"},
            "GET /projects/<slug:slug>/data/export/": {"format": "accord", "encoding": "jsonl"},
            "POST /projects/<slug:slug>/guidelines/read/": {"number": "1"},
            "POST /projects/<slug:slug>/guidelines/examples/": {"prompt": "?"},
            "POST /projects/<slug:slug>/guidelines/examples/<int:pk>/": {"prompt": "?"},
            "POST /projects/<slug:slug>/data/filters/": {"name": "Mine"},
            "POST /projects/<slug:slug>/data/filters/delete/": {"name": "Strong grades"},
            "POST /projects/<slug:slug>/data/import/": {"file": prompts, "kind": "prompts"},
            "PUT /api/v1/projects/<slug:slug>/filters/<name>": {"filter": {}},
            "POST /pairs/<int:pk>/": {"verdict": "left"},
            "POST /api/v1/comparisons/<comparison_id>/judgement": {
                "lease": lease,
                "preferred": "left",
                "strength": "better",
            },
            "POST /api/v1/comparisons/<comparison_id>/skip": {"lease": lease},
            "POST /api/v1/comparisons/<comparison_id>/flag": {"lease": lease, "reason": "broken"},
            "POST /api/v1/dialogs/<dialog_id>/turn": {"content": "And then?"},
            "POST /api/v1/projects/<slug:slug>/dialogs": {"content": "Why?", "key": "k"},
            "POST /api/v1/comparisons/<comparison_id>/refinements": {
                "lease": lease,
                "side": "left",
                "text": "an answer",
                "feedback": "shorter",
            },
            "POST /api/v1/rounds": {
                "project": self.sample.project.slug,
                "base": f"{SECRET}-{self.sample.checkpoint.name}",
                "recipe": "tiny",
            },
            "POST /api/v1/rounds/forecast": {
                "project": self.sample.project.slug,
                "base": f"{SECRET}-{self.sample.checkpoint.name}",
                "recipe": "tiny",
            },
        }


def _browser_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def _hide_models() -> None:
    """Put SECRET into whatever tells one model from another."""
    hidden = Value(f"{SECRET}-")
    Checkpoint.objects.update(
        name=Concat(hidden, F("name")),
        path=Concat(Value(f"/{SECRET}"), F("path")),
    )
    Deployment.objects.update(
        name=Concat(hidden, F("name")),
        served_name=Concat(hidden, F("served_name")),
        base_url=Value(f"http://{SECRET}.example/v1"),
    )
    assert not Response.objects.exclude(model_name__contains=SECRET).exists()
