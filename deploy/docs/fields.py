"""The fields of a pydantic model or dataclass, with the sentences below them. Pure: a class in, text out."""

import ast
import inspect
import json
import re
import types
import typing
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

import annotated_types
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import to_jsonable_python

NAMES: dict[object, str] = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def field_sentences(cls: type) -> dict[str, str]:
    """By field, the text below it in the class or in a class above; fields without are left out."""
    sentences: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        if each.__module__.split(".")[0] in ("builtins", "pydantic", "typing", "abc"):
            continue
        (body,) = ast.parse(inspect.cleandoc("\n" + inspect.getsource(each))).body
        assert isinstance(body, ast.ClassDef), each
        for field, below in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
                text = _text(below)
                if text:
                    sentences[field.target.id] = " ".join(text.split())
    return sentences


def meaning(field: FieldInfo, sentence: str | None) -> str:
    """A field's own sentence; of a field that is another part, what that part says of itself."""
    inner = list(_models(field.annotation))
    return sentence or (first_sentence(inner[0]) if inner else "")


def first_sentence(cls: type) -> str:
    """What a class says of itself, up to the first empty line, on one line."""
    return " ".join(inspect.cleandoc(cls.__doc__ or "").split("\n\n")[0].split())


def type_words(annotation: Any) -> str:  # Any: whatever an annotation may be
    """A type as JSON's reader sees it; parts lead to their own headings."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is None or annotation is types.NoneType:
        return "null"
    if origin is typing.Annotated:
        bounds = bound_words(arguments[1:])
        return type_words(arguments[0]) + (f" {bounds}" if bounds else "")
    if origin is typing.Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_words(each) for each in arguments)
    if origin in (tuple, list, frozenset, set):
        kinds = [each for each in arguments if each is not ...]
        return f"list of {', '.join(type_words(kind) for kind in kinds)}"
    if origin is not None and len(arguments) == 2:
        return f"{type_words(arguments[1])}, by {type_words(arguments[0])}"
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    if inspect.isclass(annotation) and issubclass(annotation, Enum):
        return " or ".join(f"`{json.dumps(member.value)}`" for member in annotation)
    return NAMES.get(annotation, getattr(annotation, "__name__", str(annotation)))


def bound_words(metadata: typing.Iterable[object]) -> str:
    """Least, most and lengths, such as `≥ 0, < 0.5`."""
    words = []
    for each in _flat(metadata):
        match each:
            case annotated_types.Ge(ge=value):
                words.append(f"≥ {value}")
            case annotated_types.Gt(gt=value):
                words.append(f"> {value}")
            case annotated_types.Le(le=value):
                words.append(f"≤ {value}")
            case annotated_types.Lt(lt=value):
                words.append(f"< {value}")
            case annotated_types.MinLen(min_length=value):
                words.append(f"at least {value} long")
            case annotated_types.MaxLen(max_length=value):
                words.append(f"at most {value} long")
            case _:
                pass
    return ", ".join(words)


def default_words(field: FieldInfo) -> str:
    """What holds where the field is left out, as JSON; `required` where it cannot be."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        inner = value.model_dump(mode="json", exclude_defaults=True)
        return f"`{json.dumps(inner)}`" if inner else "its own defaults"
    return f"`{json.dumps(to_jsonable_python(value), ensure_ascii=False)}`"


def parts(cls: type[BaseModel]) -> list[type[BaseModel]]:
    """A model and all those that its fields hold, each once, in the order of the fields."""
    found: dict[type[BaseModel], None] = {}
    waiting = [cls]
    while waiting:
        each = waiting.pop(0)
        if each in found:
            continue
        found[each] = None
        inner = [model for field in each.model_fields.values() for model in _models(field.annotation)]
        waiting = inner + waiting
    return list(found)


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(_cell(text) for text in row)} |" for row in lines)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:  # Any: whatever an annotation may be
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from _models(argument)


def _flat(metadata: typing.Iterable[object]) -> Iterator[object]:
    for each in metadata:
        if isinstance(each, FieldInfo):
            yield from _flat(each.metadata)
        else:
            yield each


def _text(node: ast.stmt) -> str:
    match node:
        case ast.Expr(value=ast.Constant(value=str(text))):
            return text
    return ""


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
