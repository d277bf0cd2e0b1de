"""The HTTP API of what is done with a round that is there: pause, resume, cancel, retry, run again."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Field, Router, Schema, Status
from pydantic import AfterValidator

from accounts.auth import request_user
from alignment.api import RoundOut, api_round, planned_out, recipe_given, round_out
from alignment.control import (
    check_stage_name,
    recipe_again,
    round_cancel,
    round_pause,
    round_rerun,
    round_resume,
    round_retry,
)
from alignment.planned import planned_round
from annotation.api.judging import text_storable

router = Router(tags=["rounds"])


class RerunIn(Schema):
    """Another run of a round's number: by its own recipe unless one is given."""

    recipe: str | dict[str, Any] | None = None  # Any: JSON
    from_stage: str = ""
    """Compute this stage and those after it anew."""
    reason: Annotated[str, Field(max_length=2000), AfterValidator(text_storable)] = ""
    """Why it is to run although its launch would be refused; kept."""
    dry_run: bool = False
    """Only say what would run."""


@router.post("/rounds/{round_id}/pause", response=RoundOut)
def round_pause_call(request: HttpRequest, round_id: int) -> RoundOut:
    """Have the programs of a running round checkpoint and stop."""
    round_pause(api_round(request, round_id), request_user(request))
    return round_out(api_round(request, round_id))


@router.post("/rounds/{round_id}/resume", response=RoundOut)
def round_resume_call(request: HttpRequest, round_id: int) -> RoundOut:
    """Go on with a paused round."""
    round_resume(api_round(request, round_id), request_user(request))
    return round_out(api_round(request, round_id))


@router.post("/rounds/{round_id}/cancel", response=RoundOut)
def round_cancel_call(request: HttpRequest, round_id: int) -> RoundOut:
    """Cancel a running or paused round."""
    round_cancel(api_round(request, round_id), request_user(request))
    return round_out(api_round(request, round_id))


@router.post("/rounds/{round_id}/retry", response=RoundOut)
def round_retry_call(request: HttpRequest, round_id: int) -> RoundOut:
    """Go on with a failed or cancelled round."""
    round_retry(api_round(request, round_id), request_user(request))
    return round_out(api_round(request, round_id))


@router.post("/rounds/{round_id}/rerun", response={200: dict[str, Any], 201: RoundOut})
def round_rerun_call(
    request: HttpRequest, round_id: int, wanted: RerunIn
) -> Status[RoundOut | dict[str, Any]]:  # Any: JSON
    """Run a round again over the judgements of its number, or with `dry_run` say what that would compute."""
    round_ = api_round(request, round_id)
    recipe = recipe_again(round_) if wanted.recipe is None else recipe_given(wanted.recipe)
    check_stage_name(wanted.from_stage)
    if wanted.dry_run:
        planned = planned_round(
            round_.project, round_.base, recipe, number=round_.number, from_stage=wanted.from_stage
        )
        return Status(200, planned_out(planned))
    actor = request_user(request)
    run = round_rerun(round_, actor, recipe=recipe, from_stage=wanted.from_stage, reason=wanted.reason)
    return Status(201, round_out(run))
