"""datatrove at the same work, in its own environment: `python datatrove_inside.py WORK TEXTS OUT`.

Comes in: WORK (`heuristics` or `minhash`) and texts, a JSON string a line. Goes out: JSON with the CPU
seconds and, for heuristics, which texts each filter kept. Imports nothing of ours.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

from datatrove.data import Document  # another environment's


def heuristics(documents: list[Document]) -> dict[str, Any]:  # Any: JSON
    """The filters of Gopher and FineWeb with datatrove's defaults."""
    from datatrove.pipeline.filters import (
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )

    filters = [GopherRepetitionFilter(), GopherQualityFilter(), FineWebQualityFilter()]
    warm = Document(text="A first sentence, to load what is loaded once. " * 9, id="warm")
    for one in filters:
        one.filter(warm)
    kept: dict[str, list[bool]] = {}
    began = time.process_time()
    for one in filters:
        kept[type(one).__name__] = [one.filter(document) is True for document in documents]
    return {"seconds": time.process_time() - began, "kept": kept}


def minhash(documents: list[Document]) -> dict[str, Any]:  # Any: JSON
    """Signatures of 14 bands of 8 hashes over 5-grams, as for FineWeb."""
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupSignature,
    )

    step = MinhashDedupSignature(
        output_folder="unused", config=MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    )
    step.get_signature(step.get_shingles(documents[0].text))
    began = time.process_time()
    for document in documents:
        shingles = step.get_shingles(document.text)
        if shingles.size:
            step.get_signature(shingles)
    return {"seconds": time.process_time() - began}


if __name__ == "__main__":
    work, texts, out = sys.argv[1:]
    lines = Path(texts).read_text(encoding="utf-8").splitlines()
    given = [Document(text=json.loads(line), id=str(place)) for place, line in enumerate(lines)]
    Path(out).write_text(json.dumps({"heuristics": heuristics, "minhash": minhash}[work](given)))
