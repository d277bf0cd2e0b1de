"""Documents that hold evaluation prompts: what is measured on must not be learned. Pure.

As in GPT-3 (Brown et al. 2020, appendix C) and Llama 3 (section 5.1.4): an evaluation text is in a document
where one run of `ngram_words` words of it stands there, or, for a shorter text, all of it. Words are compared
without case and signs. N-grams are kept as 64-bit hashes: a million evaluation texts take some 500 MB.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pretrain.curation.documents import Verdict
from pretrain.curation.urls import read_lines
from pretrain.curation.word_hashes import runs, word_codes
from pretrain.curation.words import Segments
from pretrain.failures import ProgramError

NGRAM_WORDS = 13
"""GPT-3's."""
MIN_WORDS = 5
"""A shorter evaluation text ("What is this?") stands everywhere and is not looked for."""


@dataclass(frozen=True, kw_only=True)
class Contamination:
    """What of the evaluation texts a document holds."""

    share: float
    """Of the document's words that stand in a run of an evaluation text, from 0 to 1."""
    text: str
    """The evaluation text of the first such run."""


class EvaluationTexts:
    """Evaluation prompts and answers, indexed by their runs of words."""

    def __init__(self, texts: Iterable[str], ngram_words: int = NGRAM_WORDS) -> None:
        self._texts = list(dict.fromkeys(texts))
        self._text_of: dict[int, dict[int, int]] = {}
        for place, text in enumerate(self._texts):
            hashes = word_codes(text)
            if len(hashes) < MIN_WORDS:
                continue
            size = min(ngram_words, len(hashes))
            known = self._text_of.setdefault(size, {})
            for code in runs(hashes, size).tolist():
                known.setdefault(code, place)

    @classmethod
    def read(cls, paths: Iterable[Path], ngram_words: int) -> "EvaluationTexts":
        """Those of files: JSON lines with `text`, or one text a line. Raises ProgramError for other files."""
        texts: list[str] = []
        for path in paths:
            for number, line in enumerate(read_lines([path]), start=1):
                try:
                    texts.append(json.loads(line)["text"] if path.suffix == ".jsonl" else line)
                except (ValueError, KeyError, TypeError) as error:
                    raise ProgramError(f"{path}, line {number}: give a JSON object with text.") from error
        return cls(texts, ngram_words)

    def __len__(self) -> int:
        return len(self._texts)

    def verdict(self, segments: Segments, max_share: float) -> Verdict:
        """Kept where no more than `max_share` of the document's words stand in evaluation texts."""
        found = self.find(segments)
        if found is None or found.share <= max_share:
            return Verdict(kept=True, value=0.0 if found is None else found.share)
        return Verdict(kept=False, reason=f"holds an evaluation text: {found.text[:80]}", value=found.share)

    def find(self, segments: Segments) -> Contamination | None:
        """What of them the document holds, or None."""
        hashes = word_codes(segments.text)
        is_taken = np.zeros(len(hashes), dtype=bool)
        first: tuple[int, int] | None = None
        for size, known in sorted(self._text_of.items()):
            if len(hashes) < size:
                continue
            for place, code in enumerate(runs(hashes, size).tolist()):
                if code in known:
                    is_taken[place : place + size] = True
                    first = min(first or (place, known[code]), (place, known[code]))
        if first is None:
            return None
        return Contamination(share=float(is_taken.mean()), text=self._texts[first[1]])
