"""Which documents are source code, told by their address or by how their lines are built. Pure.

Comes in: a document's address and its segments. Goes out: whether the rules for prose fit it. The line rule
is ours: C-like languages, Python, shells and their like have assignments, calls, blocks and declarations in
most lines, prose and poems in next to none.
"""

import re

from pretrain.curation.words import Segments

ENDINGS = (
    ".c", ".cc", ".cpp", ".cs", ".css", ".go", ".h", ".hpp", ".java", ".jl", ".js", ".jsx", ".kt", ".lua",
    ".m", ".py", ".r", ".rb", ".rs", ".scala", ".sh", ".sql", ".swift", ".ts", ".tsx", ".vue", ".zig",
)  # fmt: skip
"""Of files of code, in lower case; not .php and .pl, which pages of prose have, too."""
MIN_SHARE = 0.25
"""Of the lines that are built like code; docstrings and comments are the rest."""
NAME = r"[A-Za-z_$][\w$]*(?:(?:\.|->|::)[A-Za-z_$][\w$]*)*"
BLOCKS = "if|elif|else|for|while|try|except|finally|with|switch|case|catch|do"
DECLARED = "let|const|var|auto|int|float|double|char|bool|void|static|public|private|final|self"
CODE_LINE = re.compile(
    "|".join(
        (
            rf"(?:async )?(?:def|class|func|fn|function|struct|interface|enum|namespace) {NAME}.*[:{{(,]$",
            r"(?:import|from|using|package|use|require|include) [\w.{*\"'/<:]+"
            r"(?: import [\w*(].*)?(?: as \w+)?;?$",
            r"#(?:include|define|ifdef|ifndef|endif|pragma)\b",
            rf"(?:\}} ?)?(?:{BLOCKS})\b.*[:{{]$",
            r"(?:return|raise|yield|throw|assert|await|del) ?[\w(\[{\"'-].*[\w)\]}\"';]$",
            rf"(?:(?:{DECLARED}) )+.*[;{{=,(]$",
            rf"{NAME}(?:\[.*\])?(?:: ?[\w.\[\], |]+)? ?(?:[-+*/%|&^]|//|<<|>>)?:?= ?\S",
            rf"{NAME}\(.*(?:[;,({{\[]|\);?|\):)$",
            r"@[A-Za-z_][\w.]*(?:\(.*\)?)?$",
            r"(?://|/\*|\*/|>>> |\$ )",
            r"[\]})]+[;,)]*$",
        )
    )
)
"""What lines of code begin with; matched without the spaces around them."""
BEFORE_PATH = re.compile(r"^(?:\w+:)?(?://)?[^/]*")
AFTER_PATH = re.compile(r"[?#].*$", re.DOTALL)
NO_LANGUAGE = "zxx"
"""ISO 639's code for what is in no human language: code's."""


def is_code(url: str | None, segments: Segments) -> bool:
    """Whether it is code."""
    path = "" if url is None else BEFORE_PATH.sub("", url).lower()
    return AFTER_PATH.sub("", path).endswith(ENDINGS) or share_of_code(segments) >= MIN_SHARE


def share_of_code(segments: Segments) -> float:
    """The part of the lines that are built like code."""
    return sum(CODE_LINE.match(line) is not None for line in segments.lines) / max(1, len(segments.lines))
