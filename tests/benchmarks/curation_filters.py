"""Our filters and MinHash beside datatrove's: the same texts, CPU time, one thread, one run.

Comes in: the Python of an environment with datatrove. Goes out: the cases `heuristics` and `minhash`, with
documents per second of both sides, and for heuristics the share of texts on which the same filters agree.
`tests.benchmarks.curation` runs them.
"""

import gzip
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pretrain.curation.heuristics import RULES, HeuristicRecipe, Heuristics
from pretrain.curation.minhash import MinHashRecipe, Signer
from pretrain.curation.words import Segments, split_piece
from tests.benchmarks.measuring import Case

PEER = Path(__file__).with_name("datatrove_inside.py")
TEXTS = Path(__file__).parents[3] / "shared" / "data" / "text" / "standard_ebooks.jsonl.gz"
NUM_CHARACTERS = 3000
"""Of each text: about a page of the web."""
NUM_TEXTS = 200
ONE_THREAD = ("OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1")


def cases(python: Path, texts: Sequence[str]) -> list[Case]:
    """Both cases. Ours begins with nothing remembered, as the peer does."""
    return [
        compared("heuristics", python, texts, heuristic_verdicts),
        compared("minhash", python, texts, signatures),
    ]


def compared(
    name: str, python: Path, texts: Sequence[str], work: Callable[[Sequence[str]], list[bool]]
) -> Case:
    """One case: the peer in its environment, then ours here."""
    with tempfile.TemporaryDirectory() as folder:
        given, out = Path(folder) / "texts.jsonl", Path(folder) / "out.json"
        given.write_text("\n".join(map(json.dumps, texts)))
        subprocess.run(["env", *ONE_THREAD, python, PEER, name, given, out], check=True)
        peer = json.loads(out.read_text())
    split_piece.cache_clear()
    began = time.process_time()
    kept = work(texts)
    seconds = time.process_time() - began
    ours: dict[str, Any] = {"seconds": seconds, "documents_per_second": len(texts) / seconds}
    if "kept" in peer:
        peer_kept = [all(verdicts) for verdicts in zip(*peer["kept"].values(), strict=True)]
        ours["agreement"] = sum(map(bool.__eq__, kept, peer_kept)) / len(texts)
        ours["kept"], peer_share = sum(kept) / len(texts), sum(peer_kept) / len(texts)
        peer = {"seconds": peer["seconds"], "kept": peer_share}
    peer["documents_per_second"] = len(texts) / peer["seconds"]
    return Case(name=name, ratio=peer["seconds"] / seconds, ours=ours, peer=peer)


def heuristic_verdicts(texts: Sequence[str]) -> list[bool]:
    """Whether the rules of Gopher and FineWeb keep each text; all are measured, as in a real pass."""
    without = frozenset(rule.measure for rule in RULES if rule.source.startswith("C4"))
    rules = Heuristics(HeuristicRecipe(without=without))
    return [all(said.kept for said in rules.verdicts(Segments(text), "en").values()) for text in texts]


def signatures(texts: Sequence[str]) -> list[bool]:
    """Sign each text."""
    signer = Signer(MinHashRecipe())
    return [signer.signature(Segments(text)) is not None for text in texts]


def read_texts() -> list[str]:
    """The beginnings of public-domain chapters."""
    with gzip.open(TEXTS, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line)["text"] for line in lines]
    return [text[:NUM_CHARACTERS] for text in rows[:NUM_TEXTS]]
