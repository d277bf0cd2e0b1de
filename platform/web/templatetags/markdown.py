"""`{% load markdown %}{{ text|markdown }}`: safe HTML of untrusted Markdown, in templates of any app."""

from django import template
from django.utils.safestring import SafeString

from web.markdown import render_markdown

register = template.Library()


@register.filter
def markdown(text: str | None) -> SafeString:
    """HTML of `text`; nothing for None."""
    return render_markdown(text or "")
