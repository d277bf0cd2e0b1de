"""Code blocks that a page's highlighter took apart, made whole.

SyntaxHighlighter puts each word into a `code` element of its own, and text extraction loses some of them;
most highlighters number lines, and the numbers are no code.
"""

import re

SPLIT_CODE = "code.plain"
"""SyntaxHighlighter's most frequent kind of word. Pages without any have nothing to mend."""
LINE_NUMBERS = [
    *("td.gutter", "td.linenos", ".linenodiv", "span.lineno", "span.linenos", ".line-numbers-rows"),
    *(".hljs-ln-numbers", "td.blob-num", "td.rouge-gutter", "td.line-numbers"),
]
"""Of SyntaxHighlighter, Pygments, Prism, highlight.js, GitHub, Rouge, CodeRay."""
WORD = re.compile(r'<code class="[\w#+]+ \w+">([^<]*)</code>', re.I)


def with_whole_code(html: str) -> str:
    """The page with SyntaxHighlighter's words as plain text of their lines."""
    return WORD.sub(r"\1", html)
