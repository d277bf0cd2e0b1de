"""Which text may enter the database, and how long a text is in words. Pure."""

import re

# The same in PostgreSQL's and in Python's regular expressions.
_SPACE = (
    "\\u0009-\\u000d\\u001c-\\u0020\\u0085\\u00a0\\u1680\\u2000-\\u200b\\u2028\\u2029\\u202f\\u205f\\u3000"
)
_SCRIPT = "\\u3040-\\u30ff\\u3400-\\u4dbf\\u4e00-\\u9fff\\uf900-\\ufaff\\U00020000-\\U0003ffff"
WORD = f"[{_SCRIPT}]|[^{_SPACE}{_SCRIPT}]+"
"""A run without spaces; each Chinese character and each Japanese sign is one of its own."""

_FIND_WORD = re.compile(WORD)
_BACKTICKS = re.compile("`+")


def storable(text: str) -> bool:
    """PostgreSQL keeps no NUL characters, and UTF-8 has no lone surrogates."""
    if "\0" in text:
        return False
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def as_code(text: str) -> str:
    """Markdown that shows `text` as it is: a block of code, fenced by more backticks than it has in a row."""
    fence = "`" * max(3, 1 + max(map(len, _BACKTICKS.findall(text)), default=0))
    return f"{fence}\n{text}\n{fence}"


def count_words(text: str) -> int:
    """How many words `text` has, the same as the database counts."""
    return sum(1 for _ in _FIND_WORD.finditer(text))
