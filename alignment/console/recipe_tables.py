"""A recipe as tables by part, with what differs from its default marked. Pure: JSON in, rows out.

The default is the named recipe of the same name where there is one, else each field's own.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import PydanticUndefined

from alignment.recipe import RECIPES, RoundRecipe

JsonValue = Any  # Any: JSON
NAMES = {
    "reward": "Reward model",
    "rejection": "Rejection sampling",
    "sft": "SFT",
    "dpo": "DPO",
    "lora": "LoRA",
}
"""Parts and fields that are not called what they are in words."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A value, in words, and whether it is not the default."""

    text: str
    differs: bool
    default: str
    """Empty where it does not differ or has no default."""


@dataclass(frozen=True, kw_only=True)
class RecipeRow:
    """One number of a part."""

    name: str
    cells: list[Cell]


@dataclass(frozen=True, kw_only=True)
class RecipeTable:
    """One part: a column of values, or one for each variant."""

    name: str
    columns: list[str]
    """Names of the variants; empty for a part without."""
    rows: list[RecipeRow]

    @property
    def num_changed(self) -> int:
        """How many values are not the default."""
        return sum(cell.differs for row in self.rows for cell in row.cells)


def recipe_tables(recipe: Mapping[str, JsonValue]) -> list[RecipeTable]:
    """Every part of the recipe, first what belongs to no part."""
    recipe = _ordered(recipe)
    name = str(recipe.get("name", ""))
    usual = RECIPES[name]().model_dump(mode="json") if name in RECIPES else _field_defaults(RoundRecipe)
    single = {key: value for key, value in recipe.items() if not _is_part(value)}
    tables = [_table("The whole round", [single], [usual])]
    for key, value in recipe.items():
        if _is_part(value):
            default = usual.get(key)
            if isinstance(value, Mapping):
                tables.append(_table(_words(key), [value], [default]))
            else:
                defaults = default if isinstance(default, Sequence) else []
                tables.append(_table(_words(key), value, [*defaults, *[None] * len(value)][: len(value)]))
    return tables


def _ordered(recipe: Mapping[str, JsonValue]) -> Mapping[str, JsonValue]:
    """In the order in which the recipe is written down, which the database does not keep."""
    try:
        return RoundRecipe.model_validate(recipe).model_dump(mode="json")
    except ValidationError:  # of an earlier version
        return recipe


def _is_part(value: JsonValue) -> bool:
    if isinstance(value, Mapping):
        return bool(value)
    return isinstance(value, list) and bool(value) and all(isinstance(each, Mapping) for each in value)


def _table(name: str, parts: Sequence[Mapping[str, JsonValue]], usual: Sequence[JsonValue]) -> RecipeTable:
    flat = [_flat(part) for part in parts]
    known = [_flat(each) if isinstance(each, Mapping) else {} for each in usual]
    keys = list(dict.fromkeys(key for part in flat for key in part))
    rows = [
        RecipeRow(
            name=_words(key),
            cells=[_cell(key, part, defaults) for part, defaults in zip(flat, known, strict=True)],
        )
        for key in keys
    ]
    columns = [f"Variant {place + 1}" for place in range(len(parts))] if len(parts) > 1 else []
    return RecipeTable(name=name, columns=columns, rows=rows)


def _cell(key: str, part: Mapping[str, JsonValue], usual: Mapping[str, JsonValue]) -> Cell:
    if key not in part:
        return Cell(text="–", differs=False, default="")
    differs = key in usual and usual[key] != part[key]
    return Cell(text=_said(part[key]), differs=differs, default=_said(usual[key]) if differs else "")


def _flat(part: Mapping[str, JsonValue], before: str = "") -> dict[str, JsonValue]:
    """Nested fields as one level, their names joined."""
    found: dict[str, JsonValue] = {}
    for key, value in part.items():
        if isinstance(value, Mapping) and value:
            found |= _flat(value, f"{before}{key}.")
        else:
            found[f"{before}{key}"] = value
    return found


def _field_defaults(model: type[BaseModel]) -> dict[str, JsonValue]:
    """What the model's fields are when nobody says otherwise, as JSON."""
    found = {}
    for name, field in model.model_fields.items():
        default = field.get_default(call_default_factory=False)
        if default is not PydanticUndefined:
            found[name] = default.model_dump(mode="json") if isinstance(default, BaseModel) else default
    return found


def _words(key: str) -> str:
    return NAMES.get(key) or key.replace("_", " ").replace(".", " · ").capitalize()


def _said(value: JsonValue) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, str):
        return value or "none"
    if isinstance(value, Sequence) and all(isinstance(each, str | int | float) for each in value):
        return ", ".join(str(each) for each in value) or "none"
    return json.dumps(value, ensure_ascii=False) if value else "none"
