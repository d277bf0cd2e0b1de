"""The pages of docs/reference/, made from the program: `make reference`, which sets Django up first."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from accord.api import api
from accounts.models import Scope
from deploy.docs.api_page import METHODS, api_page
from deploy.docs.recipe_page import recipe_page
from deploy.docs.settings_page import settings_page

FOLDER = Path(__file__).resolve().parents[2] / "docs/reference"
ANNOTATING = ("annotation_api_judging", "annotation_api_live")
"""Modules whose operations are an annotator's, as accord.api has them."""


def reference_pages() -> dict[str, str]:
    """By file name, the page's Markdown."""
    schema = api.get_openapi_schema()
    scopes = {
        name: " or ".join(f"`{scope.value}`" for scope in sorted(enough))
        for name, enough in operation_scopes(schema).items()
    }
    return {
        "recipe.md": recipe_page(),
        "settings.md": settings_page(),
        "api.md": api_page(schema, scopes),
    }


def operation_scopes(schema: Mapping[str, Any]) -> dict[str, set[Scope]]:  # Any: JSON
    """By operation (`POST /api/v1/…`), the scopes any of which is enough for a token."""
    scopes: dict[str, set[Scope]] = {}
    for path, described in schema["paths"].items():
        for method in (each for each in METHODS if each in described):
            annotating = described[method]["operationId"].startswith(ANNOTATING)
            reading = {Scope.READ} if method == "get" else set()
            working = {Scope.ANNOTATE} if annotating else set()
            scopes[f"{method.upper()} {path}"] = reading | working or {Scope.MANAGE}
    return scopes


def write() -> None:
    """Write them all."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in reference_pages().items():
        (FOLDER / name).write_text(page, encoding="utf-8")
