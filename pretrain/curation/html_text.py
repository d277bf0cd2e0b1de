"""The text of a web page: boilerplate out; mathematics, code blocks, tables and lists kept.

Formulas and code that highlighters took apart are written out in the page's source (`html_formulas`,
`html_code`), the page's tree is cut down to its article where it says which part that is (`html_main`), and
Resiliparse (Bevendorff et al. 2018) takes the main content of what is left. Nodes are looked for by selectors
and hardly ever held in hand: each costs as much as a thousandth of a page.
"""

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import bytes_to_str, detect_encoding, map_encoding_to_html5
from resiliparse.parse.html import HTMLTree

from pretrain.curation.html_code import LINE_NUMBERS, SPLIT_CODE, with_whole_code
from pretrain.curation.html_formulas import DRAWN_BY_KATEX, DRAWN_BY_MATHJAX, FORMULAS, SCRIPTS, with_formulas
from pretrain.curation.html_main import BOILERPLATE, keep_article

REWRITTEN = f"{FORMULAS}, {SPLIT_CODE}"
SKIPPED = [*BOILERPLATE, DRAWN_BY_KATEX, *LINE_NUMBERS]


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
    tree, skipped = HTMLTree.parse(html), SKIPPED
    if tree.body is not None and tree.body.query_selector(REWRITTEN) is not None:
        if tree.body.query_selector(SCRIPTS) is not None:
            skipped = [*SKIPPED, *DRAWN_BY_MATHJAX]
        tree = HTMLTree.parse(with_whole_code(with_formulas(html)))
    keep_article(tree)
    text = extract_plain_text(
        tree, preserve_formatting=True, main_content=True, alt_texts=False, skip_elements=skipped
    )
    return "\n".join(map(str.rstrip, text.split("\n"))).strip()
