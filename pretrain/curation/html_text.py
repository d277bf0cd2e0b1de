"""The text of a web page: boilerplate out; mathematics, code blocks, tables and lists kept.

Formulas are put into the tree as `$LaTeX$` before Resiliparse (Bevendorff et al. 2018) takes the main
content, for neither it nor its peers know how pages write them.
"""

import re

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5
from resiliparse.parse.html import ElementNode, HTMLTree

MARKS = ("<math", "math/tex", "katex", "latex", 'alt="\\', 'alt="$', "mwe-math", 'alt="{\\')
"""Without any of these a page has no formulas to rescue."""
FORMULAS = 'script[type^="math/tex"], .katex, math, img[alt]'
RENDERED = ".MathJax_Preview, .MathJax, .MathJax_Display, .MathJax_SVG, .MathJax_CHTML, mjx-assistive-mml"
"""What MathJax drew beside the source that it left in the page."""
TEX_ANNOTATION = 'annotation[encoding="application/x-tex"]'
FORMULA_CLASSES = {"latex", "tex", "math"}
"""Of images whose `alt` is a formula also without a backslash."""
STYLE = re.compile(r"^\{\\(?:displaystyle|textstyle)\s*(.*)\}$", re.S)
"""Wikipedia's wrapping."""
BLANK = re.compile(r"[ \t]+$", re.M)


def page_text(body: bytes, charset: str | None = None) -> str:
    """The main text of a page in HTML; `charset` as the server named it."""
    return html_text(decoded(body, charset))


def decoded(body: bytes, charset: str | None) -> str:
    """The page's characters: by the server's word, its own declaration, or what its bytes look like."""
    named = map_encoding_to_html5(charset, fallback_utf8=False) if charset else None
    encoding = named or detect_encoding(body, from_html_meta=True) or "utf-8"
    return str(bytes_to_str(body, encoding, errors="replace")).replace("\x00", "")


def html_text(html: str) -> str:
    """The main text of a page."""
    tree = HTMLTree.parse(html)
    if any(mark in html for mark in MARKS):
        write_out_formulas(tree)
    text = extract_plain_text(tree, preserve_formatting=True, main_content=True, alt_texts=True)
    return BLANK.sub("", text).strip()


def write_out_formulas(tree: HTMLTree) -> None:
    """Put the source of each formula into its place. Where none is left in the page, it stays as it is."""
    if tree.body is None:
        return
    sources = [
        (node, formula) for node in tree.body.query_selector_all(FORMULAS) if (formula := source(node))
    ]
    if any(node.tag == "script" for node, _ in sources):
        for drawn in list(tree.body.query_selector_all(RENDERED)):
            drawn.decompose()
    for node, formula in sources:
        written = tree.create_text_node(formula)
        if node.parent is not None and written is not None:
            node.parent.replace_child(written, node)


def source(node: ElementNode) -> str:
    """The LaTeX of a formula between dollars, or nothing where the node has none."""
    display = False
    if node.tag == "script":
        tex, display = node.text, "mode=display" in (node.getattr("type") or "")
    elif node.tag == "img":
        tex = node.getattr("alt") or ""
        classes = set((node.getattr("class") or "").lower().split())
        if "\\" not in tex and not classes & FORMULA_CLASSES:
            return ""
    else:
        annotation = node.query_selector(TEX_ANNOTATION)
        tex = annotation.text if annotation is not None else (node.getattr("alttext") or "")
        display = node.getattr("display") == "block"
    tex = (tex or "").strip().strip("$").strip()
    wrapped = STYLE.match(tex)
    tex = wrapped.group(1).strip() if wrapped else tex
    if not tex:
        return ""
    return f" $${tex}$$ " if display else f"${tex}$"
