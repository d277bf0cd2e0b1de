"""The page of the HTTP API, made from its OpenAPI description. Pure: the description in, Markdown out."""

from collections.abc import Mapping
from typing import Any

from deploy.docs.fields import table

Json = Mapping[str, Any]  # Any: JSON
METHODS = ("get", "post", "put", "patch", "delete")

INTRODUCTION = (
    "Under `/api/v1`, JSON in and out; a running site describes itself at `/api/v1/openapi.json`. Send "
    "a token as `Authorization: Bearer …` ([tokens](../sign-in.md)); a token does what its person's "
    "role may do, within its scopes. What is refused says why in `detail`. From Python: [the "
    "client](../client.md). `make reference` makes this page from the program."
)


def api_page(schema: Json, scopes: Mapping[str, str]) -> str:
    """`scopes`: by operation (`POST /api/v1/…`), the scope that a token needs."""
    tags: dict[str, list[str]] = {}
    for path, operations in schema["paths"].items():
        for method in (each for each in METHODS if each in operations):
            operation = operations[method]
            tag = (operation.get("tags") or ["other"])[0]
            name = f"{method.upper()} {path}"
            tags.setdefault(tag, []).append(_operation(name, operation, scopes[name]))
    groups = "\n\n".join(
        f"## {tag.replace('_', ' ').capitalize()}\n\n" + "\n\n".join(operations)
        for tag, operations in tags.items()
    )
    bodies = "\n\n".join(_body(name, body) for name, body in sorted(schema["components"]["schemas"].items()))
    return f"""# The HTTP API

{INTRODUCTION}

{groups}

## Bodies

{bodies}
"""


def _operation(name: str, operation: Json, scope: str) -> str:
    lines = [f"### `{name}`", operation.get("description") or operation["summary"], f"Scope: {scope}."]
    rows = [
        (
            f"`{parameter['name']}`",
            parameter["in"],
            _type(parameter["schema"]),
            "yes" if parameter.get("required") else "",
        )
        for parameter in operation.get("parameters", [])
    ]
    if rows:
        lines.append(table(("parameter", "in", "type", "required"), rows))
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        lines.append(f"Body: {_type(content['schema'])} (`{kind}`).")
    replies = [
        f"`{status}` " + (", ".join(_type(each["schema"]) for each in _contents(reply)) or "without a body")
        for status, reply in operation["responses"].items()
    ]
    lines.append(f"Replies: {'; '.join(replies)}.")
    return "\n\n".join(lines)


def _contents(reply: Json) -> list[Json]:
    return [content for content in reply.get("content", {}).values() if "schema" in content]


def _body(name: str, body: Json) -> str:
    required = body.get("required", [])
    rows = [
        (
            f"`{field}`",
            _type(schema),
            "yes" if field in required else "",
            schema.get("description", ""),
        )
        for field, schema in body.get("properties", {}).items()
    ]
    lines = [f"### {name}"]
    if body.get("description"):
        lines.append(" ".join(body["description"].split()))
    if "enum" in body:
        lines.append("One of " + ", ".join(f"`{value}`" for value in body["enum"]) + ".")
    if rows:
        lines.append(table(("field", "type", "required", "means"), rows))
    return "\n\n".join(lines)


def _type(schema: Json) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    for many in ("anyOf", "oneOf", "allOf"):
        if many in schema:
            return " or ".join(_type(each) for each in schema[many])
    if "enum" in schema or "const" in schema:
        return " or ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    match schema.get("type"):
        case "array":
            return f"list of {_type(schema.get('items', {}))}"
        case "object":
            return "object"
        case None:
            return "anything"
        case kind:
            return f"{kind} ({schema['format']})" if "format" in schema else str(kind)
