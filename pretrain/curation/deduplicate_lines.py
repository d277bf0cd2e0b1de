"""`python -m pretrain.curation.deduplicate_lines run.json`: lines that stand in too many documents go.

Documents of a language lie in buckets of about `bucket_documents`, drawn by their source and offset, so that
neither files nor their order matter. First pass: how many documents of each language there are. Second: the
lines of each shard and bucket, counted, in files of the index. Then the counts are merged, exactly and
in bounded memory, and the lines seen more than `max_count` times are written beside. Last pass: documents
out without those lines; a document that has no line left is dropped. Code keeps its lines: `else:` stands in
every program, and none works without it.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pretrain.curation.code import NO_LANGUAGE
from pretrain.curation.documents import Document, Verdict, read_shard, shard_paths
from pretrain.curation.languages import undetermined
from pretrain.curation.line_counts import LINES_AT_ONCE, frequent, line_table, text_line_hashes, without_lines
from pretrain.curation.marks import all_shards, kept_array, kept_file
from pretrain.curation.steps import Judge, Pass, StepConfig, run_step, shards_to_read, with_progress
from pretrain.curation.word_hashes import word_hash
from pretrain.run import RunFolder, program_main

FILTER = "repeated_lines"
PASSES: tuple[Pass, ...] = ("read", "count", "choose", "write")
COUNT = np.dtype([("language", "<u8"), ("num", "<i8")])
LINE = np.dtype([("language", "<u8"), ("bucket", "<i8"), ("hash", "<u8"), ("count", "<i8")])
CODE = word_hash(NO_LANGUAGE)
Table = NDArray[np.void]
Key = tuple[int, int]
"""A language's hash and a bucket's number."""


class DeduplicateLinesConfig(StepConfig):
    """Result: as for `python -m pretrain.curation.sift`. The defaults are Llama 3's (section 3.1.1)."""

    max_count: int = Field(default=6, ge=1)
    """Lines seen more often in a bucket go, all of them."""
    bucket_documents: int = Field(default=30_000_000, ge=1)
    lines_at_once: int = Field(default=LINES_AT_ONCE, ge=1)
    """Counts in memory, 16 bytes each."""


def run(config: DeduplicateLinesConfig, folder: RunFolder) -> None:
    """Count documents, count lines, write."""
    index = config.index or folder.path
    num_documents: Counter[int] = Counter()
    everything = config.only != "read"
    shards = shard_paths(config.documents) if everything else shards_to_read(config)
    for shard in with_progress(shards, folder, "shards read"):
        counts = kept_array(index / "documents", shard, partial(document_counts, shard))
        num_documents.update(dict(zip(counts["language"].tolist(), counts["num"].tolist(), strict=True)))
    if config.only == "read":
        return folder.finish({"num_shards": len(shards)})
    num_buckets = {code: -(-num // config.bucket_documents) for code, num in num_documents.items()}
    layout = hashlib.sha256(repr(sorted(num_buckets.items())).encode()).hexdigest()[:16]
    tables = [
        kept_array(index / f"lines-{layout}", shard, partial(shard_lines, shard, num_buckets))
        for shard in with_progress(shards_to_read(config), folder, "shards counted")
    ]
    if config.only == "count":
        return folder.finish({"num_shards": len(tables)})
    fingerprint = config.fingerprint() + all_shards(shards)
    found = kept_file(
        index / f"choice-{hashlib.sha256(fingerprint.encode()).hexdigest()[:16]}.npy",
        lambda: choose(tables, config),
    )
    if config.only == "choose":
        return folder.finish({"num_lines": len(found)})
    gone = {key: frozenset(own["hash"].tolist()) for key, own in by_bucket([found])}

    def judge(_shard: Path) -> Judge:
        return lambda document: cleaned(document, gone.get(bucket_of(document, num_buckets), frozenset()))

    return run_step(config, folder, judge, fingerprint)


def choose(tables: Sequence[Table], config: DeduplicateLinesConfig) -> Table:
    """The lines that go, from the counts of all shards, by language and bucket."""
    of_key: defaultdict[Key, list[Table]] = defaultdict(list)
    for key, own in by_bucket(tables):
        of_key[key].append(own)
    parts = [np.empty(0, dtype=LINE)]
    for (language, bucket), several in sorted(of_key.items()):
        if language != CODE:
            hashes = frequent(several, config.max_count, config.lines_at_once)
            part = np.zeros(len(hashes), dtype=LINE)
            part["language"], part["bucket"], part["hash"] = language, bucket, hashes
            parts.append(part)
    return np.concatenate(parts)


def by_bucket(tables: Sequence[Table]) -> Iterator[tuple[Key, Table]]:
    """The rows of LINE of each language and bucket; in a table they lie together."""
    for table in tables:
        is_first = np.ones(len(table), dtype=bool)
        is_first[1:] = (table["language"][1:] != table["language"][:-1]) | (
            table["bucket"][1:] != table["bucket"][:-1]
        )
        starts = np.flatnonzero(is_first)
        for start, end in zip(starts, [*starts[1:], len(table)], strict=False):
            yield (int(table["language"][start]), int(table["bucket"][start])), table[start:end]


def document_counts(shard: Path) -> Table:
    """How many documents of each language a shard holds."""
    counts = Counter(language_hash(document) for document in read_shard(shard))
    return np.array(sorted(counts.items()), dtype=COUNT)


def shard_lines(shard: Path, num_buckets: dict[int, int]) -> Table:
    """The counts of a shard's lines, by language and bucket."""
    hashes: defaultdict[Key, list[int]] = defaultdict(list)
    for document in read_shard(shard):
        hashes[bucket_of(document, num_buckets)] += text_line_hashes(document.text)
    parts: list[Table] = [np.empty(0, dtype=LINE)]
    for (language, bucket), own in sorted(hashes.items()):
        table = line_table(own)
        part = np.empty(len(table), dtype=LINE)
        part["language"], part["bucket"] = language, bucket
        part["hash"], part["count"] = table["hash"], table["count"]
        parts.append(part)
    return np.concatenate(parts)


def language_hash(document: Document) -> int:
    """A number for the document's language."""
    return word_hash(undetermined(document.language))


def bucket_of(document: Document, num_buckets: dict[int, int]) -> Key:
    """Where the document's lines are counted."""
    language = language_hash(document)
    return language, word_hash(f"{document.source}\0{document.offset}") % num_buckets[language]


def cleaned(document: Document, hashes: frozenset[int]) -> Document:
    """The document without these lines; the verdict's value is how many went."""
    text, num_gone = without_lines(document.text, hashes) if hashes else (document.text, 0)
    if not num_gone:
        return document.with_verdicts({FILTER: Verdict(kept=True, value=0.0)})
    if not text.strip():
        verdict = Verdict(kept=False, reason="no line is left", value=float(num_gone))
        return document.with_verdicts({FILTER: verdict})
    shorter = document.model_copy(update={"text": text})
    return shorter.with_verdicts({FILTER: Verdict(kept=True, value=float(num_gone))})


if __name__ == "__main__":
    program_main(DeduplicateLinesConfig, run)
