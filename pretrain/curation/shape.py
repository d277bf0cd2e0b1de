"""What a document is made of: words, signs, lines and their ends. Pure.

Measures of MassiveText (Rae et al. 2021, appendix A), C4 (Raffel et al., Exploring the Limits of Transfer
Learning, 2020) and FineWeb (Penedo et al. 2024, section 3.6).
"""

import re
from collections.abc import Collection
from functools import lru_cache

import numpy as np

from pretrain.curation.words import Segments

TERMINAL = tuple(".!?\"'”’»…。！？।؟۔")
"""How lines of prose end: C4's signs, and those of other scripts."""
BULLETS = ("-", "*", "•", "●", "‣", "▪", "◦", "–", "—", "·", "➤", "❖")
ELLIPSIS = ("...", "…")
SENTENCE_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s|$)|[。！？।]+")
SHORT_LINE = 30
"""Characters up to which a line is short: FineWeb."""
PLACEHOLDER_TEXT = "lorem ipsum"


def shape(segments: Segments, stop_words: Collection[str]) -> dict[str, float]:
    """Each measure by its name; counts are floats, too. Words of scripts without spaces have no length.

    `stop_words` are in lower case; none of them (an unknown language) leaves the measure out.
    """
    text, lines = segments.text, segments.lines
    counts = segments.counts_V
    is_word = np.fromiter((word[0].isalnum() for word in segments.vocabulary), dtype=bool, count=len(counts))
    num_tokens = max(1, len(segments.words))
    num_words = int(counts[is_word].sum())
    num_lines = max(1, len(lines))
    lowered = text.lower()
    measures: dict[str, float] = {
        "num_words": num_words,
        "num_sentences": len(SENTENCE_END.findall(text)),
        "hash_signs": text.count("#") / num_tokens,
        "ellipses": (text.count("...") + text.count("…")) / num_tokens,
        "bullet_lines": sum(line.startswith(BULLETS) for line in lines) / num_lines,
        "ellipsis_lines": sum(line.endswith(ELLIPSIS) for line in lines) / num_lines,
        "terminal_lines": sum(line.endswith(TERMINAL) for line in lines) / num_lines,
        "short_lines": sum(len(line) <= SHORT_LINE for line in lines) / num_lines,
        "lines_per_word": text.count("\n") / max(1, num_words),
        "curly_brackets": text.count("{"),
        "placeholder_text": lowered.count(PLACEHOLDER_TEXT),
    }
    if not segments.is_unspaced:
        measures["mean_word_length"] = float(
            (counts[is_word] * segments.lengths_V[is_word]).sum() / max(1, num_words)
        )
        is_alphabetic = np.fromiter(map(has_letter, segments.vocabulary), dtype=bool, count=len(counts))
        measures["alphabetic_words"] = float(counts[is_alphabetic].sum() / num_tokens)
    if stop_words:
        measures["stop_words"] = len({word.lower() for word in segments.vocabulary}.intersection(stop_words))
    return measures


@lru_cache(maxsize=1 << 18)
def has_letter(word: str) -> bool:
    """Whether the word has a letter."""
    return word.isalpha() or any(map(str.isalpha, word))
