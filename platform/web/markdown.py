"""Safe HTML from untrusted Markdown: what models and people wrote, on every page.

In: text. Out: HTML from a fixed set of elements, attributes and classes, with highlighted code, formulas as
MathML and each block's own writing direction. Raw HTML stays visible as text, images become links (nothing
is fetched), and what is left passes nh3, so that a mistake above it cannot become a script.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.token import STANDARD_TYPES
from pygments.util import ClassNotFound

from web.mathematics import MATHML_ATTRIBUTES, MATHML_TAGS, latex_to_mathml, math_plugin

MAX_CHARACTERS = 100_000
"""Longer texts are shown as they are: rendering them would take seconds, and nobody reads that much."""
MAX_HIGHLIGHTED_CHARACTERS = 20_000

# fmt: off
_TAGS = frozenset({
    "p", "br", "hr", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em",
    "strong", "s", "a", "table", "thead", "tbody", "tr", "th", "td", "span", "div",
})
# fmt: on
_DIRECTED = frozenset(
    f"{block}_open"
    for block in ("paragraph", "heading", "bullet_list", "ordered_list", "blockquote", "th", "td")
)
_ALIGNMENTS = {"text-align:center": "align-center", "text-align:right": "align-end"}


def render_markdown(text: str) -> SafeString:
    """HTML of `text`, safe to put into a page whatever the text holds."""
    if len(text) > MAX_CHARACTERS:
        return mark_safe(f'<pre class="plain" dir="auto">{escape(text)}</pre>')
    return mark_safe(_cleaner().clean(_parser().render(text)))


@cache
def _parser() -> MarkdownIt:
    """markdown-it with tables, formulas and our renderers; made once a process."""
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 60})
    parser.enable(["table", "strikethrough"])
    parser.use(math_plugin)
    parser.core.ruler.push("accord_attributes", lambda state: _set_attributes(state.tokens))
    for name, rule in (
        ("fence", _render_fence),
        ("code_block", _render_fence),
        ("image", _render_image),
        ("math_inline", _render_math),
        ("math_block", _render_math),
    ):
        parser.add_render_rule(name, rule)
    return parser


@cache
def _cleaner() -> nh3.Cleaner:
    """The last word on what leaves: nothing that is not named here."""
    pygments_classes = {name for name in STANDARD_TYPES.values() if name}
    return nh3.Cleaner(
        tags=set(_TAGS | MATHML_TAGS),
        clean_content_tags={"script", "style"},
        attributes={
            **{tag: set(MATHML_ATTRIBUTES) for tag in MATHML_TAGS},
            **{tag: {"dir"} for tag in ("p", "h3", "h4", "h5", "h6", "ul", "blockquote", "th", "td")},
            "ol": {"start", "dir"},
            "pre": {"dir", "tabindex"},
            "span": {"tabindex"},
            "table": {"tabindex"},
            "a": {"href", "title", "target"},
        },
        allowed_classes={
            "span": pygments_classes | {"math-block", "math-source"},
            "code": {"math-source"},
            "pre": {"highlight"},
            "div": {"highlight", "math-block"},
            "a": {"image-link"},
            "th": set(_ALIGNMENTS.values()),
            "td": set(_ALIGNMENTS.values()),
        },
        url_schemes={"http", "https", "mailto"},
        url_relative="deny",
        link_rel="noopener noreferrer nofollow",
    )


def _set_attributes(tokens: Sequence[Token]) -> None:
    """Direction of each block by its first letters, headings below the page's own, classes for alignment."""
    for token in tokens:
        if token.type in _DIRECTED:
            token.attrSet("dir", "auto")
        if token.type == "table_open":
            token.attrSet("tabindex", "0")  # wide ones scroll
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + 2, 6)}"
        style = token.attrs.pop("style", None)
        if style in _ALIGNMENTS:
            token.attrSet("class", _ALIGNMENTS[str(style)])
        if token.type == "link_open":
            token.attrSet("target", "_blank")
        _set_attributes(token.children or ())


def _render_fence(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """A block of code, highlighted if its language is known, or a formula if its language is math.

    Long lines scroll, so the keyboard must reach it.
    """
    token = tokens[index]
    language = token.info.strip().split(" ")[0].lower()[:40]
    if language in ("math", "latex-math"):
        return _formula(token.content.strip(), display=True)
    code = _highlighted(token.content, language)
    return f'<pre class="highlight" dir="ltr" tabindex="0"><code>{code}</code></pre>\n'


def _highlighted(code: str, language: str) -> str:
    if not language or len(code) > MAX_HIGHLIGHTED_CHARACTERS:
        return escape(code)
    try:
        lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    except ClassNotFound:
        return escape(code)
    return str(highlight(code, lexer, HtmlFormatter(nowrap=True)))


def _render_image(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    """A link to the image under its description: showing it would tell another site who reads."""
    token = tokens[index]
    source = str(token.attrs.get("src", ""))
    label = renderer.renderInlineAsText(token.children or [], options, env) or source
    return f'<a class="image-link" target="_blank" href="{escape(source)}">{escape(label)}</a>'


def _render_math(
    renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType
) -> str:
    token = tokens[index]
    meta: dict[str, Any] = token.meta  # Any: markdown-it's own type
    return _formula(token.content, display=token.type == "math_block" or bool(meta.get("display")))


def _formula(latex: str, *, display: bool) -> str:
    mathml = latex_to_mathml(latex, display=display)
    if mathml is None:
        return f'<code class="math-source">{escape(latex)}</code>'
    return f'<span class="math-block" tabindex="0">{mathml}</span>' if display else mathml
