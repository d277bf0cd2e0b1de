"""The HTTP API of exports: the file, its manifest, how much a filter takes, filters under a name.

For reviewers and admins of a project: records name the models that wrote the answers.
"""

from collections import deque
from typing import Annotated, Any, Literal

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from ninja import Field, Query, Router, Schema, Status

from accounts.auth import request_user
from annotation.downloads import chosen_by, export_pieces, export_response
from annotation.exported import export_of, judgements_matching
from annotation.filters import PreferenceFilter
from annotation.models import SavedFilter
from annotation.permissions import REVIEW, project_for
from annotation.records import Strength
from annotation.services.exchange import filter_delete, filter_save

router = Router(tags=["export"])

Name = Annotated[str, Field(min_length=1, max_length=200)]
Day = Annotated[str, Field(max_length=10, description="A day like 2026-01-31 (UTC), or empty")]


class FilterParameters(Schema):
    """Which judgements; values of one name are alternatives."""

    round: list[Annotated[int, Field(ge=0, le=2**31 - 1)]] = []
    domain: list[Name] = []
    language: list[Name] = []
    strength: list[Strength] = []
    annotator: list[Name] = []
    reason: list[Name] = []
    safety: list[Name] = []
    from_: Annotated[Day, Field(alias="from")] = ""
    to: Day = ""
    edited: bool = False
    safe: bool = False
    saved: Annotated[str, Field(max_length=100)] = ""
    """A filter by its name, in place of the others."""


class ExportParameters(FilterParameters):
    """Which judgements, in which form."""

    format: Literal["accord", "trl"] = "accord"
    encoding: Literal["jsonl", "jsonl.gz", "parquet"] = "jsonl"


class CountOut(Schema):
    """How much a filter takes."""

    judgements: int


class SavedFilterOut(Schema):
    """A filter under its name."""

    name: str
    filter: dict[str, Any]  # Any: JSON of PreferenceFilter


class SavedFilterIn(Schema):
    """What is to be kept under the name."""

    filter: PreferenceFilter


@router.get("/projects/{slug:slug}/export")
def export(request: HttpRequest, slug: str, parameters: Query[ExportParameters]) -> StreamingHttpResponse:
    """The judgements as a file, streamed. The same data and filter give the same bytes."""
    project = project_for(request_user(request), slug, REVIEW)
    return export_response(
        request, project, chosen_by(request.GET, project), parameters.format, parameters.encoding
    )


@router.get("/projects/{slug:slug}/export/manifest")
def export_manifest(request: HttpRequest, slug: str, parameters: Query[ExportParameters]) -> HttpResponse:
    """Counts, size and SHA-256 of the file that `export` gives for the same parameters right now."""
    project = project_for(request_user(request), slug, REVIEW)
    chosen = chosen_by(request.GET, project)
    export = export_of(project, chosen, format_=parameters.format, encoding=parameters.encoding)
    deque(export_pieces(export, project, chosen), maxlen=0)
    return HttpResponse(export.manifest().as_text(), content_type="application/json")


@router.get("/projects/{slug:slug}/export/count", response=CountOut)
def export_count(request: HttpRequest, slug: str, parameters: Query[FilterParameters]) -> CountOut:
    """How many judgements the filter takes."""
    project = project_for(request_user(request), slug, REVIEW)
    return CountOut(judgements=judgements_matching(project, chosen_by(request.GET, project)).count())


@router.get("/projects/{slug:slug}/filters", response=list[SavedFilterOut])
def filter_list(request: HttpRequest, slug: str) -> list[SavedFilterOut]:
    """The project's filters by name."""
    project = project_for(request_user(request), slug, REVIEW)
    found = SavedFilter.objects.filter(project=project)
    return [SavedFilterOut(name=saved.name, filter=saved.chosen) for saved in found]


@router.put("/projects/{slug:slug}/filters/{name}", response=SavedFilterOut)
def filter_write(request: HttpRequest, slug: str, name: str, body: SavedFilterIn) -> SavedFilterOut:
    """Keep a filter under a name, in place of an earlier one."""
    user = request_user(request)
    saved = filter_save(project_for(user, slug, REVIEW), name, body.filter, actor=user)
    return SavedFilterOut(name=saved.name, filter=saved.chosen)


@router.delete("/projects/{slug:slug}/filters/{name}", response={204: None})
def filter_remove(request: HttpRequest, slug: str, name: str) -> Status[None]:
    """Forget a filter."""
    user = request_user(request)
    filter_delete(project_for(user, slug, REVIEW), name, actor=user)
    return Status(204, None)
