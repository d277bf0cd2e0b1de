"""What a document is about, and how many of each kind stay: over-represented kinds are down-sampled.

Source: The Llama 3 Herd of Models, section 3.1.2: a classifier of knowledge, by which arts and entertainment,
over-represented on the web, are down-sampled. The paper publishes neither kinds nor shares: they are the
user's.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pretrain.curation.documents import Document
from pretrain.curation.fast_text import LABEL, load, one_line
from pretrain.curation.languages import MAX_CHARACTERS
from pretrain.failures import ProgramError

OTHER = "other"
"""The kind of a document that the classifier is not sure of."""


class KindModel:
    """A classifier of kinds, as `python -m pretrain.curation.train_kinds` leaves it."""

    def __init__(self, path: Path) -> None:
        """Raises ProgramError where the file is no fastText model."""
        self._model = load(path)
        self.kinds = frozenset(label.removeprefix(LABEL) for label in self._model.get_labels())

    def guess(self, text: str) -> tuple[str, float]:
        """The likeliest kind and its probability; OTHER with 0 for a text without words."""
        labels, probabilities = self._model.predict(one_line(text[:MAX_CHARACTERS]))
        if not labels:
            return OTHER, 0.0
        return labels[0].removeprefix(LABEL), min(1.0, float(probabilities[0]))


def keep_rates(sizes: Mapping[str, int], max_shares: Mapping[str, float]) -> dict[str, float]:
    """For each kind, the share of its documents that stays so that no kind is above its greatest share.

    `sizes`: characters of each kind; `max_shares`: of the characters that stay, from 0 to 1. Kinds without
    one stay whole. Raises ProgramError where the shares leave nothing: those of all kinds that there are add
    up to less than one.
    """
    bound: set[str] = set()
    total = float(sum(sizes.values()))
    while True:
        # Kinds that are not bound stay whole; those that are fill the rest by their shares.
        whole = sum(size for kind, size in sizes.items() if kind not in bound)
        free = 1 - sum(max_shares[kind] for kind in bound)
        if sum(sizes.values()) and (free <= 0 or not whole):
            raise ProgramError(
                f"The greatest shares of {', '.join(sorted(bound))} leave no room, for there is little or "
                "nothing else: raise them."
            )
        total = whole / free if free > 0 else 0.0
        over = {
            kind
            for kind, size in sizes.items()
            if kind not in bound and size > max_shares.get(kind, 1.0) * total * (1 + 1e-12)
        }
        if not over:
            break
        bound |= over
    return {kind: max_shares[kind] * total / size if kind in bound else 1.0 for kind, size in sizes.items()}


def place_in_draw(document: Document, seed: int) -> float:
    """Where a document stands between 0 and 1, whatever the files and their order: at a lower rate a part of
    those stay that stay at a higher one."""
    told = f"{seed}\0{document.source}\0{document.offset}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest(), "big") / 2**64
