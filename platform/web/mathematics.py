"""LaTeX formulas in Markdown: finds them, and turns each into MathML.

In: Markdown with `$…$`, `$$…$$`, `\\(…\\)` or `\\[…\\]`. Out: `math_inline` and `math_block` tokens for
markdown-it, and MathML made of a fixed set of elements and attributes. A formula that cannot be converted
stays readable as its source. Formulas come from models and people: nothing here may run, hang or escape.
"""

import html
import re
from xml.etree.ElementTree import Element, tostring

from latex2mathml import exceptions
from latex2mathml.converter import Converter
from markdown_it import MarkdownIt
from markdown_it.ruler import RuleOptionsType
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline

MAX_LATEX_CHARACTERS = 4_000
MAX_NESTING = 60
MAX_BLOCK_LINES = 80

_DELIMITERS = (("$$", "$$", True), ("$", "$", False), ("\\(", "\\)", False), ("\\[", "\\]", True))

# Definitions expand without bound, and a hostile formula is the only one here that needs them.
_DEFINITION = re.compile(r"\\(?:newcommand|renewcommand|newenvironment|def|let|DeclareMathOperator)\b")

# The converter raises its own errors for what it understands, and what its tables run into for the rest.
_UNREADABLE = (
    exceptions.NumeratorNotFoundError,
    exceptions.DenominatorNotFoundError,
    exceptions.ExtraLeftOrMissingRightError,
    exceptions.MissingSuperScriptOrSubscriptError,
    exceptions.DoubleSubscriptsError,
    exceptions.DoubleSuperscriptsError,
    exceptions.NoAvailableTokensError,
    exceptions.InvalidStyleForGenfracError,
    exceptions.MissingEndError,
    exceptions.InvalidAlignmentError,
    exceptions.InvalidWidthError,
    exceptions.LimitsMustFollowMathOperatorError,
    LookupError,
    ValueError,
    TypeError,
    AttributeError,
    StopIteration,
    RuntimeError,
    AssertionError,
)

# fmt: off
MATHML_TAGS = frozenset({
    "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mfrac", "msqrt", "mroot", "msub", "msup",
    "msubsup", "munder", "mover", "munderover", "mmultiscripts", "mprescripts", "none", "mtable",
    "mtr", "mtd", "mstyle", "mpadded", "mphantom", "menclose",
})
MATHML_ATTRIBUTES = frozenset({
    "display", "displaystyle", "scriptlevel", "mathvariant", "stretchy", "symmetric", "fence",
    "separator", "form", "largeop", "movablelimits", "accent", "accentunder", "linethickness",
    "columnalign", "columnlines", "columnspacing", "rowlines", "rowspacing", "notation", "lspace",
    "rspace", "width", "height", "depth", "minsize", "maxsize",
})
_DIMENSIONS = frozenset({
    "lspace", "rspace", "width", "height", "depth", "minsize", "maxsize", "columnspacing",
    "rowspacing", "linethickness",
})
# fmt: on
_SMALL_DIMENSION = re.compile(r"[+-]?(?:[0-9]|[0-9]?\.[0-9]+|[0-9]\.[0-9]*)(?:em|ex|%)?")


def latex_to_mathml(latex: str, *, display: bool) -> str | None:
    """MathML of one formula, or None where it cannot be converted: then show the source."""
    if len(latex) > MAX_LATEX_CHARACTERS or _nesting(latex) > MAX_NESTING or _DEFINITION.search(latex):
        return None
    try:
        tree = Converter(display="block" if display else "inline").convert_to_element(latex)
        _make_safe(tree)
        return tostring(tree, encoding="unicode")
    except _UNREADABLE:
        return None


def math_plugin(markdown: MarkdownIt) -> None:
    """Teach `markdown` the four ways of writing a formula."""
    markdown.inline.ruler.before("escape", "math_inline", _math_inline)
    ends: RuleOptionsType = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    markdown.block.ruler.before("fence", "math_block", _math_block, ends)


def _nesting(latex: str) -> int:
    """An upper bound of how deep the converter recurses: braces, left-right pairs and environments."""
    depth = deepest = 0
    for opener in re.finditer(r"\\(?:left|right|begin|end)\b|[{}]", latex):
        word = opener.group()
        if word in ("}", "\\right", "\\end"):
            depth -= 1
        elif word in ("{", "\\left", "\\begin"):
            depth += 1
        deepest = max(deepest, depth)
    return deepest


def _make_safe(element: Element) -> None:
    """Keep known elements and attributes; undo the converter's entities, which it leaves unescaped."""
    if element.tag not in MATHML_TAGS:
        element.tag = "mrow"
    element.attrib.pop("xmlns", None)
    for name, value in list(element.attrib.items()):
        known = name in MATHML_ATTRIBUTES
        small = name not in _DIMENSIONS or all(_SMALL_DIMENSION.fullmatch(part) for part in value.split())
        if not known or not small:
            del element.attrib[name]
    element.text = html.unescape(element.text) if element.text else element.text
    element.tail = html.unescape(element.tail) if element.tail else element.tail
    for child in element:
        _make_safe(child)


def _math_inline(state: StateInline, silent: bool) -> bool:
    """A formula inside a line. An escaped opener never arrives here: the escape rule has taken it."""
    source, start = state.src, state.pos
    for opener, closer, display in _DELIMITERS:
        if not source.startswith(opener, start):
            continue
        end = _closing(source, closer, start + len(opener))
        if end is None:
            return False
        latex = source[start + len(opener) : end]
        if not latex.strip() or (opener == "$" and not _is_formula(source, start, end)):
            return False
        if not silent:
            token = state.push("math_inline", "math", 0)
            token.content = latex.strip()
            token.meta = {"display": display}
        state.pos = end + len(closer)
        return True
    return False


def _closing(source: str, closer: str, start: int) -> int | None:
    """Where `closer` stands, not escaped, or None."""
    while (end := source.find(closer, start)) >= 0:
        before = end
        while before > start and source[before - 1] == "\\":
            before -= 1
        if (end - before) % 2 == 0:
            return end
        start = end + 1
    return None


def _is_formula(source: str, start: int, end: int) -> bool:
    """Whether `$…$` is a formula, not two prices: no space inside the signs, no digit after the last."""
    touches = not source[start + 1].isspace() and not source[end - 1].isspace()
    return touches and not source[end + 1 : end + 2].isdigit() and not source[start - 1 : start].isdigit()


def _math_block(state: StateBlock, start_line: int, end_line: int, silent: bool) -> bool:
    """A formula on lines of its own, from an opener at a line's start to a closer at a line's end."""
    first = state.src[state.bMarks[start_line] + state.tShift[start_line] : state.eMarks[start_line]]
    opener = first[:2]
    if opener not in ("$$", "\\[") or state.is_code_block(start_line):
        return False
    closer = "$$" if opener == "$$" else "\\]"
    lines: list[str] = []
    for line in range(start_line, min(end_line, start_line + MAX_BLOCK_LINES)):
        text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].strip()
        if not text or state.sCount[line] < state.blkIndent:
            return False
        body = text[2:] if line == start_line else text
        if closer not in body:
            lines.append(body)
            continue
        if not body.endswith(closer) or body.index(closer) != len(body) - 2:
            return False
        if not silent:
            token = state.push("math_block", "math", 0)
            token.block = True
            token.content = "\n".join([*lines, body[:-2]]).strip()
            token.map = [start_line, line + 1]
            state.line = line + 1
        return True
    return False
