"""The page of a round's recipe, made from its types. Pure."""

import inspect

from pydantic import BaseModel

from alignment.recipe import RECIPES, RoundRecipe
from deploy.docs.fields import (
    bound_words,
    default_words,
    field_sentences,
    first_sentence,
    meaning,
    parts,
    table,
    type_words,
)

HEAD = ("field", "type", "default", "bounds", "what it decides")

INTRODUCTION = (
    "Every number that decides what a round does, as `--recipe` of `manage.py launch_round` and the "
    "form that launches a round take it: a JSON object with the fields of [RoundRecipe](#roundrecipe). "
    "Unknown fields are refused. `make reference` makes this page from the types."
)


def recipe_page() -> str:
    """Markdown: every field of every part, with type, default, bounds and sentence."""
    named = "\n".join(f"- `{name}`: {inspect.getdoc(make)}" for name, make in RECIPES.items())
    sections = "\n\n".join(_section(part) for part in parts(RoundRecipe))
    return f"""# The recipe of a round

{INTRODUCTION}

Named recipes:

{named}

{sections}
"""


def _section(part: type[BaseModel]) -> str:
    sentences = field_sentences(part)
    rows = [
        (
            f"`{name}`",
            type_words(field.annotation),
            default_words(field),
            bound_words(field.metadata),
            meaning(field, sentences.get(name)),
        )
        for name, field in part.model_fields.items()
    ]
    section = f"## {part.__name__}\n\n{first_sentence(part)}"
    return f"{section}\n\n{table(HEAD, rows)}" if rows else section
