"""The page of the settings that the environment holds, made from accord/env.py. Pure."""

import ast
import inspect
import re

from accord import env
from accounts import oidc_provider
from deploy.docs.fields import field_sentences, table

INTRODUCTION = (
    "All that Accord reads from its environment, checked once at the start: what is wrong stops it with"
    " one sentence. `make reference` makes this page from `platform/accord/env.py`; how settings are "
    "used is on the operators' pages, beginning with [your own servers](../production.md)."
)


def settings_page() -> str:
    """Markdown: each variable, what it means and, where it is a number or a flag, what holds without it."""
    sentences = field_sentences(env.Environment)
    rows = [
        (", ".join(f"`{name}`" for name in names), default, sentences.get(field, ""))
        for field, names, default in _read()
    ]
    return f"""# Settings

{INTRODUCTION}

{table(("variable", "default", "means"), rows)}

The OpenID provider's are explained under [signing in](../sign-in.md#an-openid-provider).
"""


def _read() -> list[tuple[str, list[str], str]]:
    """By field of the environment, the variables that it is read from and what holds without them."""
    (function,) = ast.parse(inspect.getsource(env.read_environment)).body
    made = next(
        node
        for node in ast.walk(function)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Environment"
    )
    return [(keyword.arg or "", *_variables(keyword)) for keyword in made.keywords]


def _variables(keyword: ast.keyword) -> tuple[list[str], str]:
    texts = [node.value for node in ast.walk(keyword.value) if isinstance(node, ast.Constant)]
    names = [text for text in texts if isinstance(text, str) and re.fullmatch("[A-Z_]{5,}", text)]
    match keyword.arg:
        case "var":
            return ["ACCORD_VAR"], "`var/`"
        case "allowed_hosts":
            return ["ALLOWED_HOSTS"], ", ".join(f"`{host}`" for host in env.LOOPBACK)
        case "oidc":
            return [*oidc_provider.NEEDED, *oidc_provider.OPTIONAL], ""
        case "retention":
            return [f"RETAIN_{kind.upper()}_DAYS" for kind in env.RETAINED], ""
        case "secret_key":
            return ["SECRET_KEY"], "made once, in `var/secret_key`"
        case "site_url":
            return ["SITE_URL"], "the first of `TRUSTED_ORIGINS`"
        case "database_url" | "redis_url":
            return names, "the local stack's"
        case "launcher":
            return names, f"`{env.LAUNCHERS[0]}`"
        case "log_format":
            return names, "`line`"
    assert names, keyword.arg
    match keyword.value:
        case ast.Call(
            func=ast.Name(id="_flag"), keywords=[ast.keyword(value=ast.Constant(value=str(default)))]
        ):
            return names, f"`{default}`"
        case ast.Call(func=ast.Name(id="_flag")):
            return names, "`0`"
        case ast.Call(func=ast.Name(id="_ports")):
            return names, "`80,443`"
        case ast.Call(func=ast.Name(id="_number"), args=[_, default, *_]):
            return names, f"`{ast.unparse(default)}`"
    return names, ""
