"""Tags that a project offers its people, such as reasons: their form in the data and in settings. Pure.

A tag is `{"value", "label"}`: what is kept with a judgement, and what people read. On the settings page a
tag is a line, `value: label`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypedDict

MAX_TAGS = 30
MAX_LABEL = 60
VALUE = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}", re.ASCII)


class Tag(TypedDict):
    """One choice that people have."""

    value: str
    label: str


REASONS: tuple[Tag, ...] = (
    {"value": "correct", "label": "More correct"},
    {"value": "instructions", "label": "Follows the request"},
    {"value": "complete", "label": "More complete"},
    {"value": "concise", "label": "More to the point"},
    {"value": "clear", "label": "Clearer"},
    {"value": "format", "label": "Better format"},
    {"value": "tone", "label": "Better tone"},
    {"value": "safe", "label": "Safer"},
)
"""The reasons of a new project."""

SAFETY: tuple[Tag, ...] = (
    {"value": "violence", "label": "Violence or weapons"},
    {"value": "self_harm", "label": "Self-harm"},
    {"value": "sexual", "label": "Sexual content"},
    {"value": "hate", "label": "Hate or harassment"},
    {"value": "illegal", "label": "Help with a crime"},
    {"value": "personal_data", "label": "Personal data"},
    {"value": "bad_advice", "label": "Dangerous advice"},
)
"""How an answer may be unsafe, in a new project."""


class TagProblem(ValueError):
    """Tags that cannot be used; the message says what to do."""


def default_reasons() -> list[Tag]:
    """A list of its own for each new project."""
    return [tag.copy() for tag in REASONS]


def default_safety() -> list[Tag]:
    """A list of its own for each new project."""
    return [tag.copy() for tag in SAFETY]


def tags_read(text: str) -> list[Tag]:
    """The tags of some lines. Raises TagProblem with a sentence about the first line that is wrong."""
    tags: list[Tag] = []
    for line in text.splitlines():
        if not line.strip():
            continue
        value, colon, label = (part.strip() for part in line.partition(":"))
        if not colon:
            raise TagProblem(f"“{_short(line)}” has no colon: write each line as “value: what people read”.")
        tags.append({"value": value, "label": label})
    tags_check(tags)
    return tags


def tags_check(tags: object) -> None:
    """Raises TagProblem where `tags` is no list of usable tags, each value once."""
    if not isinstance(tags, list) or len(tags) > MAX_TAGS:
        raise TagProblem(f"Give a list of at most {MAX_TAGS} tags.")
    seen: set[str] = set()
    for tag in tags:
        if not isinstance(tag, dict) or tag.keys() != {"value", "label"}:
            raise TagProblem("Each tag has a value and a label and nothing else.")
        value, label = tag["value"], tag["label"]
        if not isinstance(value, str) or not VALUE.fullmatch(value):
            raise TagProblem(
                f"“{_short(str(value))}” cannot be a value: use small letters, digits, - and _, 40 at most."
            )
        if not isinstance(label, str) or not label.strip() or len(label) > MAX_LABEL:
            raise TagProblem(f"Give “{value}” a label of 1 to {MAX_LABEL} characters.")
        if value in seen:
            raise TagProblem(f"“{value}” is there twice: give each tag a value of its own.")
        seen.add(value)


def tags_write(tags: Iterable[Tag]) -> str:
    """The lines that `tags_read` reads."""
    return "\n".join(f"{tag['value']}: {tag['label']}" for tag in tags)


def unknown_tags(chosen: Iterable[str], tags: Sequence[Tag]) -> list[str]:
    """Those of `chosen` that the project does not offer."""
    known = {tag["value"] for tag in tags}
    return [value for value in chosen if value not in known]


def labelled_counts(found: Mapping[str, int], tags: Sequence[Tag]) -> list[tuple[str, int]]:
    """Label and number, in the order found, then those that the project offers and nobody chose, at 0.

    One that it no longer offers has its value for a label.
    """
    labels = {tag["value"]: tag["label"] for tag in tags}
    counted = [(labels.get(value, value), number) for value, number in found.items()]
    return counted + [(label, 0) for value, label in labels.items() if value not in found]


def _short(text: str) -> str:
    text = text.strip()
    return text if len(text) <= 40 else f"{text[:39]}…"
