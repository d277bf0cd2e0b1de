"""Formulas of a page in their places, as `$LaTeX$`, before anybody takes its text.

Pages carry the source of what they draw: in MathJax's scripts, in annotations of MathML and KaTeX, in
`alttext`, in the `alt` of images. Work is on the page's source, once over it: a page of mathematics has
hundreds of formulas.
"""

import re
from collections.abc import Callable
from html import escape, unescape

FORMULAS = (
    'math, script[type^="math/tex"], img[alt^="$"], img[alt*="\\\\"], img.latex, img.tex, img.math, '
    "img[class*=mwe-math]"
)
"""Pages without any of these have nothing to write out."""
SCRIPTS = 'script[type^="math/tex"]'
DRAWN_BY_KATEX = ".katex-html"
"""Beside MathML with the source."""
DRAWN_BY_MATHJAX = (
    *(".MathJax_Preview", ".MathJax", ".MathJax_Display", ".MathJax_SVG", ".MathJax_CHTML"),
    "mjx-assistive-mml",
)
"""Beside scripts with the source. Without those, the MathML for screen readers is all that a page has."""
FORMULA_CLASSES = {"latex", "tex", "math"}
"""Of images whose `alt` is a formula also without a backslash."""
ATTRIBUTES = r"""((?:[^>"']++|"[^"]*"|'[^']*')*+)>"""
MATH = re.compile(rf"<math\b{ATTRIBUTES}", re.I)
MATH_END = re.compile(r"</math\s*>", re.I)
SCRIPT = re.compile(rf"<script\b{ATTRIBUTES}", re.I)
SCRIPT_END = re.compile(r"</script\s*>", re.I)
IMAGE = re.compile(rf"<img\b{ATTRIBUTES}", re.I)
HIDDEN = re.compile(r"""(<span class="mwe-math-mathml[^>]*?)\s+style="display:\s*none;?\"""", re.I)
FALLBACK = re.compile(r"""<img\b[^>]*\bclass="[^"]*mwe-math-fallback[^>]*>""", re.I)
"""Of Wikipedia: it hides the MathML and shows a picture, or the place of one that is loaded later."""
TEX = re.compile(r"<annotation\b[^>]*application/x-tex[^>]*>(.*?)</annotation", re.I | re.S)
STYLE = re.compile(r"^\{\\(?:displaystyle|textstyle)\s*(.*)\}$", re.S)
"""Wikipedia's wrapping."""


def with_formulas(html: str) -> str:
    """The page with the source of each formula in its place. Where none is left in it, it stays as it is."""
    html = replaced(html, SCRIPT, SCRIPT_END, script_source)
    if HIDDEN.search(html):
        html = FALLBACK.sub("", HIDDEN.sub(r"\1", html))
    html = replaced(html, MATH, MATH_END, math_source)
    return IMAGE.sub(image_source, html)


def replaced(
    html: str, start: re.Pattern[str], end: re.Pattern[str], source: Callable[[str, str], str]
) -> str:
    """Each element of a kind gone for its source, where it has one. Reads the page once."""
    parts: list[str] = []
    place = 0
    starts = list(start.finditer(html))
    for number, opening in enumerate(starts):
        # An element that is not closed before the next one begins is passed over.
        before = starts[number + 1].start() if number + 1 < len(starts) else len(html)
        closing = end.search(html, opening.end(), before)
        if closing is None:
            continue
        written = source(opening.group(1), html[opening.end() : closing.start()])
        if written:
            parts += [html[place : opening.start()], written]
            place = closing.end()
    return "".join([*parts, html[place:]])


def script_source(attributes: str, content: str) -> str:
    """MathJax's: `<script type="math/tex; mode=display">`."""
    if not attribute(attributes, "type").startswith("math/tex"):
        return ""
    return written_out(content, display="mode=display" in attributes)


def math_source(attributes: str, content: str) -> str:
    """MathML's annotation, or its `alttext`."""
    annotation = TEX.search(content)
    tex = unescape(annotation.group(1)) if annotation else attribute(attributes, "alttext")
    return written_out(tex, display=attribute(attributes, "display") == "block")


def image_source(image: re.Match[str]) -> str:
    """The image's `alt`, where it is a formula; else the image."""
    tex = attribute(image.group(1), "alt")
    classes = set(attribute(image.group(1), "class").lower().split())
    if "\\" not in tex and not tex.startswith("$") and not classes & FORMULA_CLASSES:
        return image.group()
    return written_out(tex, display=False) or image.group()


def attribute(attributes: str, name: str) -> str:
    """What a tag says of it; nothing where it does not."""
    found = re.search(rf"""\b{name}\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)""", attributes, re.I)
    return unescape(found.group(1).strip("\"'")) if found else ""


def written_out(tex: str, *, display: bool) -> str:
    """The formula between dollars, as HTML."""
    tex = tex.strip().strip("$").strip()
    wrapped = STYLE.match(tex)
    tex = wrapped.group(1).strip() if wrapped else tex
    if not tex:
        return ""
    return escape(f" $${tex}$$ " if display else f"${tex}$", quote=False)
