"""Our vocabularies beside `tokenizers`' own, and extended beside not: characters per token, held-out text.

Cases, each of text that neither side has seen:
- `english`: our training beside the library's ready-made byte-level BPE at the same size;
- `all_languages`: the same on text of 75 languages;
- `english_same_split`, `all_languages_same_split`: the library's BPE with our split of text into pieces;
- `extension_others`, `extension_english`: an English vocabulary, extended by other languages, beside itself.

A ratio is the peer's tokens over ours. By hand: `python -m tests.benchmarks.tokenizer --json FILE`; the texts
are public ones, `../shared/data/text`.
"""

import argparse
import gzip
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import ByteLevelBPETokenizer, Tokenizer, decoders, models, pre_tokenizers, trainers

from pretrain.dialog import SPECIAL_TOKENS
from pretrain.tokenizer import save_tokenizer, train_tokenizer
from pretrain.vocabulary.extension import BaseVocabulary, Growth, write_extension
from pretrain.vocabulary.measuring import counts
from tests.benchmarks.measuring import Case, write_report

TEXTS = Path(__file__).parents[3] / "shared" / "data" / "text"
HELD_OUT = 10
"""One text in so many."""


class TextsOf:
    """Texts to learn from and texts to measure on."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.learned = [text for place, text in enumerate(texts) if place % HELD_OUT]
        self.held_out = [text for place, text in enumerate(texts) if place % HELD_OUT == 0]


def read(name: str) -> list[dict[str, Any]]:  # Any: JSON rows
    """Rows of one file."""
    with gzip.open(TEXTS / name, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def compared(name: str, ours: Tokenizer, peer: Tokenizer, texts: Sequence[str]) -> Case:
    """One case."""
    our_counts, peer_counts = counts(ours, texts), counts(peer, texts)
    for side, told in ((ours, our_counts), (peer, peer_counts)):
        told["vocabulary_size"] = side.get_vocab_size()
    return Case(
        name=name,
        ratio=round(peer_counts["tokens"] / our_counts["tokens"], 4),
        ours=our_counts,
        peer=peer_counts,
    )


def trained(name: str, texts: TextsOf, size: int) -> Case:
    """Our vocabulary beside the library's own byte-level BPE, both with the protocol's tokens in the size."""
    ours = train_tokenizer(texts.learned, size)
    peer = ByteLevelBPETokenizer()
    peer.train_from_iterator(
        texts.learned, vocab_size=size, special_tokens=list(SPECIAL_TOKENS), show_progress=False
    )
    return compared(name, ours, Tokenizer.from_str(peer.to_str()), texts.held_out)


def same_split(name: str, texts: TextsOf, size: int) -> Case:
    """Our vocabulary beside one that the library learns from the same pieces of text."""
    ours = train_tokenizer(texts.learned, size)
    peer = Tokenizer(models.BPE())
    peer.pre_tokenizer, peer.decoder = ours.pre_tokenizer, decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
    )
    peer.train_from_iterator(texts.learned, trainer)
    return compared(f"{name}_same_split", ours, peer, texts.held_out)


def extended(english: TextsOf, others: TextsOf, size: int, num_tokens: int) -> list[Case]:
    """An English vocabulary, extended, beside itself."""
    with tempfile.TemporaryDirectory() as folder:
        save_tokenizer(train_tokenizer(english.learned, size), Path(folder), max_length=4096)
        base = BaseVocabulary(Path(folder))
        growth = Growth(num_tokens=num_tokens, max_change=0.005, min_count=2)
        merges = base.learn(others.learned, english.learned, growth, lambda _: None)
        tokenizer = write_extension(base, merges, Path(folder) / "extended")
    sides = {"extension_others": others, "extension_english": english}
    return [compared(name, tokenizer, base.tokenizer, texts.held_out) for name, texts in sides.items()]


def cases(size: int, num_tokens: int, every: int = 1) -> list[Case]:
    """All cases, on every so-manieth text of the files."""
    english = TextsOf([row["text"] for row in read("standard_ebooks.jsonl.gz")[::every]])
    rows = read("lingua_sentences_75langs.jsonl.gz")[::every]
    everything = TextsOf([row["text"] for row in rows])
    others = TextsOf([row["text"] for row in rows if row["lang"] != "en"])
    return [
        trained("english", english, size),
        trained("all_languages", everything, size),
        same_split("english", english, size),
        same_split("all_languages", everything, size),
        *extended(english, others, size, num_tokens),
    ]


def main() -> None:
    """All cases, and the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--size", type=int, default=16384)
    parser.add_argument("--further", type=int, default=8192, help="tokens of the extension")
    options = parser.parse_args()
    write_report(options.json, cases(options.size, options.further))


if __name__ == "__main__":
    main()
