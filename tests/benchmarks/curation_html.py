"""Our HTML to text beside Trafilatura's and Resiliparse's: speed, and quality against people's ground truth.

Comes in: the Python of an environment with both peers, and the pages of ../shared/data/html. Goes out: a case
of CPU time against each peer, and a table of figures by extractor.
"""

import base64
import gzip
import hashlib
import json
import re
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean
from typing import Any

from resiliparse.extract.html2text import extract_plain_text

from pretrain.curation.html_formulas import STYLE
from pretrain.curation.html_text import decoded, html_text
from tests.benchmarks.measuring import Case

INSIDE = Path(__file__).with_name("pages_inside.py")
PAGES = Path(__file__).parents[3] / "shared" / "data" / "html"
PEERS = ("trafilatura", "resiliparse")
SHINGLE_WORDS = 4
"""Of the text's F1, as article-extraction benchmarks count."""
MIN_FORMULA = 5
"""Characters without spaces: shorter ones stand in any text."""
FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.S | re.M)
FORMULA = re.compile(r"\$\$(.+?)\$\$|(?<![\\$])\$([^$\n]+?)\$(?!\$)", re.S)


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page and what is known of it."""

    html: str
    text: str | None = None
    """Its main text, by people."""
    formulas: list[str] = field(default_factory=list)
    code_blocks: list[str] = field(default_factory=list)
    stays: list[str] = field(default_factory=list)
    """Segments that belong to the main text."""
    goes: list[str] = field(default_factory=list)
    """Segments of boilerplate."""

    @property
    def is_unseen(self) -> bool:
        """Whether it was not looked at when our extraction was made: half of the pages, by their content."""
        return hashlib.md5(self.html.encode("utf-8", "surrogatepass")).digest()[0] % 2 == 1


def cases(python: Path, pages: Sequence[Page]) -> tuple[list[Case], dict[str, dict[str, float]]]:
    """Speed against each peer, and the table: extractor → figure → value."""
    began = time.process_time()
    texts = [html_text(page.html) for page in pages]
    seconds = time.process_time() - began
    ours = {"seconds": seconds, "pages_per_second": len(pages) / seconds}
    table, found = {"accord": quality(pages, texts)}, []
    for name in PEERS:
        said = peer_texts(python, name, pages)
        table[name] = quality(pages, said["texts"])
        peer = {"seconds": said["seconds"], "pages_per_second": len(pages) / said["seconds"]}
        found.append(Case(name=f"html against {name}", ratio=said["seconds"] / seconds, ours=ours, peer=peer))
    return found, table


def peer_texts(python: Path, name: str, pages: Sequence[Page]) -> dict[str, Any]:  # Any: JSON
    """What a peer makes of the pages, and how long it takes."""
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "pages.jsonl", Path(folder) / "out.json"
        given.write_text("\n".join(json.dumps(page.html) for page in pages))
        subprocess.run([python, INSIDE, name, given, out], check=True)
        said: dict[str, Any] = json.loads(out.read_text())
        return said


def quality(pages: Sequence[Page], texts: Sequence[str]) -> dict[str, float]:
    """Mean F1 of the main text, and shares of formulas, code blocks and segments."""
    pairs = list(zip(pages, texts, strict=True))
    return {
        "text_f1": mean(f1(text, page.text) for page, text in pairs if page.text is not None),
        "text_f1_unseen": mean(
            f1(text, page.text) for page, text in pairs if page.text is not None and page.is_unseen
        ),
        "formula_recall": share(has_formula(text, one) for page, text in pairs for one in page.formulas),
        "code_recall": share(has_block(text, one) for page, text in pairs for one in page.code_blocks),
        "segments_kept": share(one in text for page, text in pairs for one in page.stays),
        "boilerplate_kept": share(one in text for page, text in pairs for one in page.goes),
    }


def f1(text: str, truth: str) -> float:
    """Of the bags of word 4-grams."""
    found, true = shingles(text), shingles(truth)
    both = (found & true).total()
    return 2 * both / max(1, found.total() + true.total())


def shingles(text: str) -> Counter[tuple[str, ...]]:
    """Word 4-grams; a shorter text is one."""
    words = re.findall(r"\w+", text.lower())
    starts = range(min(SHINGLE_WORDS, len(words)))
    return Counter(zip(*(words[start:] for start in starts), strict=False))


def has_formula(text: str, formula: str) -> bool:
    """Whether its LaTeX stands in the text, spaces apart."""
    return unspaced(formula) in unspaced(text)


def has_block(text: str, block: str) -> bool:
    """Whether its lines stand in the text one after another, as lines; indentation is not compared."""
    return f"\n{stripped_lines(block)}\n" in f"\n{stripped_lines(text)}\n"


def stripped_lines(text: str) -> str:
    """The lines with something in them."""
    return "\n".join(" ".join(line.split()) for line in text.splitlines() if line.strip())


def unspaced(text: str) -> str:
    """Without any white space."""
    return "".join(text.split())


def share(hits: Iterable[bool]) -> float:
    """Of those that hold."""
    return mean(map(float, hits))


def read_pages() -> list[Page]:
    """All pages of the shared data with their ground truth."""
    return [page for path in sorted(PAGES.glob("*.jsonl.gz")) for page in read_file(path)]


def read_file(path: Path) -> Iterator[Page]:
    """The pages of one file."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            html = row.get("html") or decoded(base64.b64decode(row["html_b64"]), None)
            markdown = row.get("markdown") or row.get("groundtruth_content")
            if "with" in row:
                yield Page(html=html, stays=row["with"], goes=row["without"])
            elif "expected_html" in row:
                text = extract_plain_text(row["expected_html"], main_content=False, alt_texts=False)
                yield Page(html=html, text=text)
            elif markdown is not None:
                yield Page(
                    html=html,
                    text=markdown,
                    formulas=formulas(markdown) if row.get("kind") == "math" else [],
                    code_blocks=FENCE.findall(markdown),
                )
            else:
                yield Page(html=html, text=row["text"])


def formulas(markdown: str) -> list[str]:
    """Those between dollars outside code, without Wikipedia's wrapping, which says nothing."""
    written = (one or other for one, other in FORMULA.findall(FENCE.sub("", markdown)))
    found = (STYLE.sub(r"\1", formula.strip()) for formula in written)
    return [formula for formula in found if len(unspaced(formula)) >= MIN_FORMULA]
