"""The numbers of a recipe that people change between rounds, each by its place in the recipe. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Number:
    """One number, or the same one of all variants of a stage."""

    name: str
    path: tuple[str, ...]
    """`*` stands for every variant."""
    whole: bool


NUMBERS = (
    Number(name="num_comparisons", path=("collect", "num_comparisons"), whole=True),
    Number(name="min_judgements", path=("snapshot", "min_judgements"), whole=True),
    Number(name="reward_learning_rate", path=("reward", "*", "optimizer", "learning_rate"), whole=False),
    Number(name="num_candidates", path=("rejection", "num_candidates"), whole=True),
    Number(name="num_prompts", path=("rejection", "num_prompts"), whole=True),
    Number(name="sft_learning_rate", path=("sft", "*", "optimizer", "learning_rate"), whole=False),
    Number(name="sft_epochs", path=("sft", "*", "optimizer", "num_epochs"), whole=False),
    Number(name="dpo_learning_rate", path=("dpo", "*", "optimizer", "learning_rate"), whole=False),
    Number(name="dpo_epochs", path=("dpo", "*", "optimizer", "num_epochs"), whole=False),
    Number(name="beta", path=("dpo", "*", "beta"), whole=False),
)


def numbers_of(recipe: Mapping[str, Any]) -> dict[str, str]:  # Any: JSON
    """What the recipe says, as text; of variants that differ, each once: "0.1, 0.2". Nothing where absent."""
    found = {}
    for number in NUMBERS:
        values = list(dict.fromkeys(_values(recipe, number.path)))
        if values:
            found[number.name] = ", ".join(f"{value:g}" for value in values)
    return found


def with_numbers(
    recipe: Mapping[str, Any], changes: Mapping[str, float | int]
) -> dict[str, Any]:  # Any: JSON
    """The recipe with these numbers; where all variants have one, all of them get it."""
    changed = dict(recipe)
    for number in NUMBERS:
        if number.name in changes:
            changed = _set(changed, number.path, changes[number.name])
    return changed


def _values(data: Any, path: Sequence[str]) -> list[float]:  # Any: JSON
    if not path:
        return [data] if isinstance(data, int | float) and not isinstance(data, bool) else []
    if path[0] == "*":
        return [value for each in data for value in _values(each, path[1:])] if isinstance(data, list) else []
    return _values(data[path[0]], path[1:]) if isinstance(data, Mapping) and path[0] in data else []


def _set(data: Any, path: Sequence[str], value: float) -> Any:  # Any: JSON
    if not path:
        return value
    if path[0] == "*":
        return [_set(each, path[1:], value) for each in data] if isinstance(data, list) else data
    inner = data.get(path[0], {}) if isinstance(data, Mapping) else {}
    return {**data, path[0]: _set(inner, path[1:], value)} if isinstance(data, Mapping) else data
