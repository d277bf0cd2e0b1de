"""The HTTP API of models side by side and of model cards, for admins."""

from typing import Annotated, Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema
from pydantic import AfterValidator

from accounts.auth import request_user
from accounts.errors import Forbidden, NotFound
from accounts.models import User
from alignment.card_facts import card_facts
from alignment.compare_figures import comparison_report, sides_of
from alignment.model_card import model_card
from alignment.model_comparing import MAX_PROMPTS, model_comparison_request
from alignment.models import ModelComparison
from alignment.permissions import REFUSAL
from annotation.api.judging import text_storable
from annotation.models import Project
from registry.models import Checkpoint

router = Router(tags=["models"])

Name = Annotated[str, Field(max_length=200), AfterValidator(text_storable)]


class Pair(Schema):
    """Two models by name."""

    first: Name
    second: Name


class AskIn(Pair):
    """Have both answer a project's held-out prompts."""

    project: Name
    reward_model: Name
    num_prompts: int = Field(200, ge=1, le=MAX_PROMPTS)


class AskedOut(Schema):
    """How far it is."""

    id: int
    state: str
    done: int
    total: int
    error: str


@router.get("/model-comparisons", response=dict[str, Any])
def models_compared(request: HttpRequest, pair: Query[Pair]) -> dict[str, Any]:  # Any: JSON
    """Win rates of the first over the second where both were asked, and what differs."""
    _admin(request)
    return comparison_report(*sides_of(_model(pair.first), _model(pair.second)))


@router.post("/model-comparisons", response={202: AskedOut})
def models_ask(request: HttpRequest, asked: AskIn) -> tuple[int, AskedOut]:
    """Have both models answer; the sampling queue's workers do."""
    admin = _admin(request)
    project = Project.objects.filter(slug=asked.project).first()
    if project is None:
        raise NotFound(f"There is no project {asked.project!r}.")
    comparison = model_comparison_request(
        _model(asked.first),
        _model(asked.second),
        project=project,
        reward_model=_model(asked.reward_model),
        num_prompts=asked.num_prompts,
        actor=admin,
    )
    return 202, _asked_out(comparison)


@router.get("/model-comparisons/{comparison_id}", response=AskedOut)
def models_asked(request: HttpRequest, comparison_id: int) -> AskedOut:
    """How far a comparison is that was asked for."""
    _admin(request)
    found = ModelComparison.objects.select_related("program").filter(pk=comparison_id).first()
    if found is None:
        raise NotFound(f"There is no comparison of models {comparison_id}.")
    return _asked_out(found)


@router.get("/checkpoints/{name}/card", response=str)
def checkpoint_card(request: HttpRequest, name: str) -> HttpResponse:
    """The checkpoint's model card, in Markdown."""
    _admin(request)
    text = model_card(card_facts(_model(name)))
    return HttpResponse(text, content_type="text/markdown; charset=utf-8")


def _admin(request: HttpRequest) -> User:
    user = request_user(request)
    if not user.is_admin:
        raise Forbidden(REFUSAL)
    return user


def _model(name: str) -> Checkpoint:
    found = Checkpoint.objects.filter(name=name).first() if "\0" not in name else None
    if found is None:
        raise NotFound(f"There is no checkpoint {name!r}.")
    return found


def _asked_out(comparison: ModelComparison) -> AskedOut:
    program = comparison.program
    return AskedOut(
        id=comparison.pk, state=program.state, done=program.done, total=program.total, error=program.error
    )
