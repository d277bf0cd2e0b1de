"""The chat template in a tokenizer's folder: read, and rendered as transformers renders it.

Comes in: a Hugging Face folder, then messages. Goes out: text. Templates are programs of strangers, so they
run in jinja2's sandbox. Stands on jinja2 alone: no torch, no transformers.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.nodes import Node
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pretrain.run import ProgramError

TODAY = datetime(2024, 7, 26)
"""The day that templates write which ask for today's: a model must read in training what it reads when it
is asked on another day. The one that Llama 3.1's template falls back to."""

TEMPLATE_FILES = ("chat_template.jinja", "chat_template.json", "tokenizer_config.json")
"""Where a template may stand, the one that wins first."""

NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""Special tokens that templates know by name."""

Rendered = list[dict[str, str]]


class TemplateRefusal(ProgramError):
    """The template will not render a dialog; the sentence holds its own words."""


class ChatTemplate:
    """One template, with the special tokens that it may name."""

    def __init__(self, source: str, named_tokens: Mapping[str, str], origin: Path) -> None:
        self.named_tokens = dict(named_tokens)
        self.origin = origin
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=[GenerationBlock, loopcontrols]
        )
        environment.filters["tojson"] = to_json
        environment.globals["raise_exception"] = refuse
        environment.globals["strftime_now"] = TODAY.strftime
        try:
            self._template = environment.from_string(source)
        except TemplateError as error:
            raise ProgramError(
                f"The chat template of {origin} is no template of Jinja ({error}): "
                "copy the folder again or mend the template."
            ) from error

    @classmethod
    def from_folder(cls, folder: Path) -> "ChatTemplate | None":
        """The folder's template, or None where it has none. Raises ProgramError where it cannot be read."""
        source = read_template(folder)
        return None if source is None else cls(source, read_named_tokens(folder), folder)

    def render(self, messages: Rendered, *, add_generation_prompt: bool) -> str:
        """The dialog as text, special tokens written out. Raises TemplateRefusal."""
        try:
            return self._template.render(
                messages=messages,
                add_generation_prompt=add_generation_prompt,
                tools=None,
                documents=None,
                **self.named_tokens,
            )
        except (TemplateError, TypeError) as error:
            raise TemplateRefusal(
                f"the chat template of {self.origin} refuses this dialog ({error}): leave such dialogs out, "
                "or change the template."
            ) from error


class GenerationBlock(Extension):
    """`{% generation %}`, with which some templates mark what the assistant says: here it says nothing."""

    tags = {"generation"}

    def parse(self, parser: Parser) -> list[Node]:
        """The block's own statements."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def refuse(message: str) -> NoReturn:
    """What a template calls to refuse a dialog."""
    raise TemplateError(message)


def to_json(
    value: Any,  # Any: whatever a template has at hand
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: Sequence[str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON as it stands: Jinja's own filter escapes it for HTML."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=None if separators is None else (separators[0], separators[1]),
        sort_keys=sort_keys,
    )


def read_template(folder: Path) -> str | None:
    """The source of a folder's chat template; of several with names, the default one."""
    for name in TEMPLATE_FILES:
        file = Path(folder) / name
        if not file.is_file():
            continue
        if name.endswith(".jinja"):
            return file.read_text(encoding="utf-8")
        found = read_json(file).get("chat_template")
        if isinstance(found, list):
            found = {each["name"]: each["template"] for each in found}.get("default")
        if isinstance(found, str):
            return found
    return None


def read_named_tokens(folder: Path) -> dict[str, str]:
    """The special tokens that the folder gives names to, as text."""
    named: dict[str, str] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        file = Path(folder) / name
        settings = read_json(file) if file.is_file() else {}
        for token_name in NAMED_TOKENS:
            token = settings.get(token_name)
            token = token.get("content") if isinstance(token, dict) else token
            if isinstance(token, str):
                named[token_name] = token
    return named


def read_json(path: Path) -> dict[str, Any]:  # Any: JSON
    """A JSON object. Raises ProgramError where the file holds none."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ProgramError(f"{path} is no JSON: copy the folder again.") from error
    if not isinstance(value, dict):
        raise ProgramError(f"{path} holds no JSON object: copy the folder again.")
    return value
