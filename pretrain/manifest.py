"""What a base model was made of: `data.json` in its checkpoint folder.

Comes in: the files that were read, the tokenizer, the mix and what was drawn. Goes out: the file, which is
part of the checkpoint's content hash: a takedown finds by it which models have read a shard.
"""

from pathlib import Path

from pydantic import Field

from pretrain.corpus import Corpus, corpus_files
from pretrain.curation.steps import file_hash
from pretrain.mix import Drawn, Mix
from pretrain.run import ProgramConfig, write_atomically

MANIFEST_NAME = "data.json"


class Shard(ProgramConfig):
    """A file of documents that a model was trained on."""

    name: str
    """Its path in the corpus."""
    sha256: str
    source: str
    documents: int = Field(ge=0)


class SourceDrawn(ProgramConfig):
    """A line of the ledger."""

    source: str
    tokens: int
    epochs: float


class Manifest(ProgramConfig):
    """The data of a base model. Nothing in it depends on where the files lie or how long it took."""

    shards: tuple[Shard, ...]
    num_documents: int
    """Held-out ones included."""
    tokenizer_sha256: str
    """Of tokenizer.json."""
    mix: Mix | None = None
    ledger: tuple[SourceDrawn, ...] = ()
    """Empty where there was no mix: then each document was as likely as it is long."""

    def is_of(self, corpus: Path, tokenizer_folder: Path | None) -> bool:
        """Whether `corpus` has the same files, and the tokenizer, where it is given, is the same."""
        if not corpus.exists():
            return False
        root = corpus if corpus.is_dir() else corpus.parent
        told = {shard.name: shard.sha256 for shard in self.shards}
        found = {str(path.relative_to(root)): file_hash(path) for path in corpus_files(corpus)}
        tokenizer = None if tokenizer_folder is None else tokenizer_folder / "tokenizer.json"
        return told == found and (
            tokenizer is None or (tokenizer.exists() and file_hash(tokenizer) == self.tokenizer_sha256)
        )


def manifest_of(
    corpus: Corpus, root: Path, tokenizer_folder: Path, mix: Mix | None, ledger: list[Drawn]
) -> Manifest:
    """The manifest of a training on `corpus`, read from `root`. Reads every file once, for its hash."""
    shards = [
        Shard(
            name=str(file.path.relative_to(root)) if root.is_dir() else file.path.name,
            sha256=file_hash(file.path),
            source=file.source,
            documents=file.num_documents,
        )
        for file in corpus.files
    ]
    return Manifest(
        shards=tuple(shards),
        num_documents=len(corpus.documents),
        tokenizer_sha256=file_hash(tokenizer_folder / "tokenizer.json"),
        mix=mix,
        ledger=tuple(SourceDrawn(**drawn.as_row()) for drawn in ledger),
    )


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Put `data.json` into a checkpoint folder."""
    write_atomically(folder / MANIFEST_NAME, manifest.model_dump_json(indent=2))


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a checkpoint folder; None where it has none that can be read."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST_NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
