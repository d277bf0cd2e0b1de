"""Another project's HTML to text, in its own environment: `python pages_inside.py EXTRACTOR PAGES OUT`.

Comes in: EXTRACTOR (`trafilatura` or `resiliparse`) and pages, a JSON string of HTML a line. Goes out: JSON
with the CPU seconds and each page's text. Imports nothing of ours.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path


def extractor(name: str) -> Callable[[str], str | None]:
    """The main content by the project's own defaults; of Resiliparse with line breaks, as code needs."""
    if name == "trafilatura":
        import trafilatura  # type: ignore[import-not-found]  # another environment's

        return lambda html: trafilatura.extract(html)
    from resiliparse.extract.html2text import extract_plain_text

    return lambda html: extract_plain_text(html, main_content=True, preserve_formatting=True, alt_texts=True)


if __name__ == "__main__":
    name, pages, out = sys.argv[1:]
    extract = extractor(name)
    given = [json.loads(line) for line in Path(pages).read_text(encoding="utf-8").splitlines()]
    extract("<html><body><p>To load what is loaded once.</p></body></html>")
    began = time.process_time()
    texts = [extract(html) or "" for html in given]
    seconds = time.process_time() - began
    Path(out).write_text(json.dumps({"seconds": seconds, "texts": texts}))
