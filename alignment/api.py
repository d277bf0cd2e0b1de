"""The HTTP API of rounds: list, read, launch. What is done with a launched one: `alignment.control_api`."""

from dataclasses import asdict
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status
from pydantic import AfterValidator

from accounts.auth import request_user
from accounts.errors import Forbidden, Invalid, NotFound
from accounts.models import User
from alignment.control import check_stage_name
from alignment.launch_checks import forecast_report
from alignment.models import Round
from alignment.permissions import REFUSAL, admins_row
from alignment.planned import PlannedRound, planned_round
from alignment.recipe import RECIPES, RecipeError, RoundRecipe, parse_recipe
from alignment.selectors import round_report, rounds
from alignment.services import launch_check, next_number, round_launch
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
    run: int
    state: str


class LaunchIn(Schema):
    """A launch: `recipe` is a name or a whole recipe."""

    project: Name
    base: Name
    recipe: str | dict[str, Any]  # Any: JSON
    reason: Annotated[str, Field(max_length=2000), AfterValidator(text_storable)] = ""
    """Why to launch although checks speak against it; kept."""
    from_stage: str = ""
    """Take nothing over from earlier rounds in this stage and those after it."""
    dry_run: bool = False
    """Only say what would run."""


@router.get("/rounds", response=list[RoundOut])
def round_list(request: HttpRequest) -> list[RoundOut]:
    """All rounds, newest first."""
    api_admin(request)
    return [round_out(round_) for round_ in rounds()]


# Before the route of a round, whose id would be "forecast".
@router.post("/rounds/forecast", response=dict[str, Any])
def round_forecast_read(request: HttpRequest, launch: LaunchIn) -> dict[str, Any]:  # Any: JSON
    """What a launch would find and take: the data gate's checks, time, cost and disk. Launches nothing."""
    api_admin(request)
    project = Project.objects.filter(slug=launch.project).first()
    base = Checkpoint.objects.filter(name=launch.base).first()
    if project is None or base is None:
        raise NotFound(f"There is no project {launch.project!r} or no base {launch.base!r}.")
    recipe = recipe_given(launch.recipe)
    launch_check(project, base, recipe)
    return forecast_report(project, base, recipe)


@router.get("/rounds/{round_id}", response=dict[str, Any])
def round_read(request: HttpRequest, round_id: int) -> dict[str, Any]:  # Any: JSON
    """One round's report."""
    return round_report(api_round(request, round_id))


@router.post("/rounds", response={200: dict[str, Any], 201: RoundOut})
def round_create(request: HttpRequest, launch: LaunchIn) -> Status[RoundOut | dict[str, Any]]:  # Any: JSON
    """Launch a round, or with `dry_run` say what it would compute."""
    admin = api_admin(request)
    project = Project.objects.filter(slug=launch.project).first()
    base = Checkpoint.objects.filter(name=launch.base).first()
    if project is None or base is None:
        raise NotFound(f"There is no project {launch.project!r} or no base {launch.base!r}.")
    recipe = recipe_given(launch.recipe)
    check_stage_name(launch.from_stage)
    if launch.dry_run:
        number = next_number(project)
        planned = planned_round(project, base, recipe, number=number, from_stage=launch.from_stage)
        return Status(200, planned_out(planned))
    round_ = round_launch(project, base, recipe, admin, reason=launch.reason, fresh_from=launch.from_stage)
    return Status(201, round_out(round_))


def planned_out(planned: PlannedRound) -> dict[str, Any]:  # Any: JSON
    """A dry run as it is sent."""
    return {
        "programs": [asdict(program) for program in planned.programs],
        "forecast": planned.forecast.model_dump(mode="json"),
    }


def recipe_given(given: str | dict[str, Any]) -> RoundRecipe:  # Any: JSON
    """A recipe by name or whole. Raises Invalid."""
    if isinstance(given, str):
        # Not a file's name, as on the command line: the API opens no files of the server.
        if given not in RECIPES:
            raise Invalid(f"There is no recipe of this name: use {', '.join(RECIPES)} or a whole recipe.")
        return RECIPES[given]()
    try:
        return parse_recipe(given)
    except RecipeError as error:
        raise Invalid(str(error)) from error


def api_admin(request: HttpRequest) -> User:
    """The admin who asks. Raises Forbidden for others."""
    user = request_user(request)
    if not user.is_admin:
        raise Forbidden(REFUSAL)
    return user


def api_round(request: HttpRequest, round_id: int) -> Round:
    """The round that is asked for, for an admin."""
    return admins_row(request_user(request), rounds(), round_id, project="project")


def round_out(round_: Round) -> RoundOut:
    """The round as lists show it."""
    project = round_.project.slug
    return RoundOut(id=round_.pk, project=project, round=round_.number, run=round_.run, state=round_.state)
