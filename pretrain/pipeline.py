"""From raw files to a base model: which programs run, one after another, each in a run folder of its own.

Comes in: raw files, how to curate and how to train. Goes out: the steps with their configurations; who starts
them follows their run folders. A step that was killed, or is started again, does what is not done yet.
"""

from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from pretrain.config import PretrainConfig
from pretrain.curation.deduplicate_documents import DeduplicateDocumentsConfig
from pretrain.curation.deduplicate_lines import DeduplicateLinesConfig
from pretrain.curation.deduplicate_urls import DeduplicateUrlsConfig
from pretrain.curation.documents import ENDING
from pretrain.curation.minhash import MinHashRecipe
from pretrain.curation.run_pages import READERS, PagesConfig, input_files, reader_of, shard_name
from pretrain.curation.sift import SiftConfig
from pretrain.curation.sifting import SiftRecipe
from pretrain.make_tokenizer import MakeTokenizerConfig
from pretrain.run import ProgramConfig, RunFolder

PAGES_ALONE = tuple(
    ending
    for endings, _ in READERS
    for ending in endings
    if not ending.startswith((".jsonl", ".ndjson", ".txt"))
)
"""Endings of files that only curation reads."""


class CurationRecipe(ProgramConfig):
    """How raw files become documents. The defaults are those of each step."""

    max_bytes: int = Field(default=8 << 20, ge=1 << 10)
    """Of a page, a line or a text."""
    sift: SiftRecipe = SiftRecipe()
    near_duplicates: MinHashRecipe = MinHashRecipe()
    max_line_count: int = Field(default=6, ge=1)
    """Lines that stand in more documents of a bucket go."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A program to run."""

    name: str
    """For people."""
    module: str
    """`python -m MODULE run.json`."""
    folder: RunFolder
    config: ProgramConfig


def wants_curation(corpus: Path) -> bool:
    """Whether the corpus has files that only curation reads: WARC, HTML, Parquet."""
    files = corpus.rglob("*") if corpus.is_dir() else [corpus]
    return any(
        path.name.lower().endswith(PAGES_ALONE) and reader_of(path) is not None
        for path in files
        if path.is_file()
    )


def pipeline_steps(
    root: Path, corpus: Path, curation: CurationRecipe, training: PretrainConfig
) -> list[Step]:
    """All steps in order, in folders below `root`; the last is `training`, in `root` itself, on what the
    others made."""
    folders = [
        root / f"{place}-{name}"
        for place, name in enumerate(
            ("pages", "addresses", "sift", "near-duplicates", "lines", "tokenizer"), start=1
        )
    ]
    pages, addresses, sift, near_duplicates, lines, tokenizer = folders
    documents = lines / "out"
    training = training.model_copy(update={"corpus": documents, "tokenizer": tokenizer / "out"})
    configs: list[tuple[str, str, Path, ProgramConfig]] = [
        (
            "pages",
            "pretrain.curation.run_pages",
            pages,
            PagesConfig(inputs=(corpus,), out=pages / "out", max_bytes=curation.max_bytes),
        ),
        (
            "addresses",
            "pretrain.curation.deduplicate_urls",
            addresses,
            DeduplicateUrlsConfig(documents=pages / "out", out=addresses / "out"),
        ),
        (
            "filters",
            "pretrain.curation.sift",
            sift,
            SiftConfig(documents=addresses / "out", out=sift / "out", recipe=curation.sift),
        ),
        (
            "near-duplicates",
            "pretrain.curation.deduplicate_documents",
            near_duplicates,
            DeduplicateDocumentsConfig(
                documents=sift / "out", out=near_duplicates / "out", recipe=curation.near_duplicates
            ),
        ),
        (
            "repeated lines",
            "pretrain.curation.deduplicate_lines",
            lines,
            DeduplicateLinesConfig(
                documents=near_duplicates / "out", out=documents, max_count=curation.max_line_count
            ),
        ),
        (
            "tokenizer",
            "pretrain.make_tokenizer",
            tokenizer,
            MakeTokenizerConfig(
                recipe=training.recipe, corpus=documents, seed=training.seed, out=tokenizer / "out"
            ),
        ),
        ("training", "pretrain.train", root, training),
    ]
    forget_gone(corpus, [folder / "out" for folder in folders[:-1]])
    return [
        Step(name=name, module=module, folder=RunFolder(folder), config=config)
        for name, module, folder, config in configs
    ]


def forget_gone(corpus: Path, outs: list[Path]) -> None:
    """Remove what steps of curation made from files that are no longer in the corpus."""
    if not any(out.exists() for out in outs):
        return
    expected = {shard_name(source) for source in input_files((corpus,))}
    for out in outs:
        for shard in out.glob(f"*{ENDING}"):
            if shard.name not in expected:
                # The shard last: until it is gone, the next start finds it again.
                (out / "reports" / f"{shard.name}.json").unlink(missing_ok=True)
                (out / "dropped" / shard.name).unlink(missing_ok=True)
                shard.unlink()
