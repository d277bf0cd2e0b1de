"""The HTTP API of rounds: list, read, launch, cancel."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Field, Router, Schema
from pydantic import AfterValidator

from accounts.auth import request_user
from accounts.errors import Forbidden, Invalid, NotFound
from accounts.models import User
from alignment.models import Round
from alignment.permissions import REFUSAL, admins_row
from alignment.recipe import RECIPES, RecipeError, RoundRecipe, parse_recipe
from alignment.selectors import round_report, rounds
from alignment.services import round_cancel, round_launch
from annotation.api.judging import text_storable
from annotation.models import Project
from registry.models import Checkpoint

router = Router(tags=["rounds"])


Name = Annotated[str, Field(max_length=200), AfterValidator(text_storable)]


class RoundOut(Schema):
    """One round in a list."""

    id: int
    project: str
    round: int
    state: str


class LaunchIn(Schema):
    """A launch: `recipe` is a name or a whole recipe."""

    project: Name
    base: Name
    recipe: str | dict[str, Any]  # Any: JSON
    reason: Annotated[str, Field(max_length=2000), AfterValidator(text_storable)] = ""
    """Why to launch although checks speak against it; kept."""


@router.get("/rounds", response=list[RoundOut])
def round_list(request: HttpRequest) -> list[RoundOut]:
    """All rounds, newest first."""
    _admin(request)
    return [_round_out(round_) for round_ in rounds()]


@router.get("/rounds/{round_id}", response=dict[str, Any])
def round_read(request: HttpRequest, round_id: int) -> dict[str, Any]:  # Any: JSON
    """One round's report."""
    return round_report(_round(request, round_id))


@router.post("/rounds", response={201: RoundOut})
def round_create(request: HttpRequest, launch: LaunchIn) -> tuple[int, RoundOut]:
    """Launch a round."""
    admin = _admin(request)
    project = Project.objects.filter(slug=launch.project).first()
    base = Checkpoint.objects.filter(name=launch.base).first()
    if project is None or base is None:
        raise NotFound(f"There is no project {launch.project!r} or no base {launch.base!r}.")
    recipe = _recipe(launch.recipe)
    return 201, _round_out(round_launch(project, base, recipe, admin, reason=launch.reason))


@router.post("/rounds/{round_id}/cancel", response=RoundOut)
def round_stop(request: HttpRequest, round_id: int) -> RoundOut:
    """Cancel a running round."""
    round_cancel(_round(request, round_id), request_user(request))
    return _round_out(_round(request, round_id))


def _recipe(given: str | dict[str, Any]) -> RoundRecipe:  # Any: JSON
    if isinstance(given, str):
        # Not a file's name, as on the command line: the API opens no files of the server.
        if given not in RECIPES:
            raise Invalid(f"There is no recipe of this name: use {', '.join(RECIPES)} or a whole recipe.")
        return RECIPES[given]()
    try:
        return parse_recipe(given)
    except RecipeError as error:
        raise Invalid(str(error)) from error


def _admin(request: HttpRequest) -> User:
    user = request_user(request)
    if not user.is_admin:
        raise Forbidden(REFUSAL)
    return user


def _round(request: HttpRequest, round_id: int) -> Round:
    return admins_row(request_user(request), rounds(), round_id, project="project")


def _round_out(round_: Round) -> RoundOut:
    return RoundOut(id=round_.pk, project=round_.project.slug, round=round_.number, state=round_.state)
