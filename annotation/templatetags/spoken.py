"""`{% load markdown spoken %}{{ message|spoken|markdown }}`: an answer or a message, as people read it."""

from collections.abc import Mapping
from typing import Any

from django import template

from annotation.models import Response
from annotation.text import as_code

register = template.Library()


@register.filter
def spoken(said: Response | Mapping[str, Any]) -> str:  # Any: a message's JSON
    """The Markdown of a response, or of a message of a context: a call of a tool is a block of code."""
    if isinstance(said, Response):
        return as_code(said.content) if said.tool_call else said.content
    content = str(said["content"])
    return as_code(content) if said.get("tool_call") else content
