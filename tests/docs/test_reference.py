"""docs/reference/ is what the program says of itself."""

import re
from typing import Literal

import pytest
from pydantic import BaseModel, Field

from accord.api import api
from alignment.recipe import RoundRecipe
from deploy.docs.fields import bound_words, default_words, field_sentences, meaning, parts, type_words
from deploy.docs.reference import FOLDER, operation_scopes, reference_pages
from deploy.docs.settings_page import settings_page
from tests.accounts.test_scopes import enough
from tests.docs.blocks import REPOSITORY


class Inner(BaseModel):
    """An inner part."""


class Outer(BaseModel):
    """An outer part."""

    share: float = Field(default=0.5, gt=0, le=1)
    """How much,
    of one."""
    kind: Literal["a", "b"]
    inner: tuple[Inner, ...] = ()


def test_a_field_has_its_type_default_bounds_and_sentence() -> None:
    fields = Outer.model_fields
    assert field_sentences(Outer) == {"share": "How much, of one."}
    assert bound_words(fields["share"].metadata) == "> 0, ≤ 1"
    assert [default_words(field) for field in fields.values()] == ["`0.5`", "required", "`[]`"]
    assert [type_words(field.annotation) for field in fields.values()] == [
        "number",
        '`"a"` or `"b"`',
        "list of [Inner](#inner)",
    ]
    assert parts(Outer) == [Outer, Inner]


@pytest.mark.parametrize("name", ["recipe.md", "settings.md", "api.md"])
def test_the_page_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text() == reference_pages()[name], "Run `make reference`."


def test_no_setting_is_left_out() -> None:
    source = (REPOSITORY / "platform/accord/env.py").read_text()
    read = set(re.findall(r"\b(?:_[a-z]+|get)\(\"([A-Z_]+)\"", source))
    assert len(read) > 20
    assert not {name for name in read if f"`{name}`" not in settings_page()}


def test_every_field_of_the_recipe_says_what_it_decides() -> None:
    for part in parts(RoundRecipe):
        sentences = field_sentences(part)
        for name, field in part.model_fields.items():
            # The name of a method of averaging is the method.
            assert meaning(field, sentences.get(name)) or part.__name__.endswith("Method"), (part, name)


def test_each_part_of_the_recipe_has_a_heading_of_its_own() -> None:
    names = [part.__name__ for part in parts(RoundRecipe)]
    assert len(names) == len(set(names)) > 15


def test_the_scopes_are_those_that_the_api_asks_for() -> None:
    scopes = operation_scopes(api.get_openapi_schema())
    assert {name: enough(name) for name in scopes} == scopes
