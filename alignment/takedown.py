"""A takedown: which models, and which rounds, learned from a document that must go.

Comes in: a document (its file and place), an address, or a shard. Goes out: the shards that hold it, the base
models trained on those by their `data.json`, everything that descends from them, and the rounds. Shards are
searched where they lie, as long as they are the files that the models were trained on. Nothing is changed.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accounts.errors import Invalid
from alignment.lineage import CheckpointUse, descending_from
from alignment.models import Round
from pretrain.curation.documents import ENDING, Document, read_shard
from pretrain.curation.raw_records import RawPage
from pretrain.curation.read_rows import read_json_lines
from pretrain.curation.run_pages import PagesConfig
from pretrain.curation.steps import file_hash
from pretrain.curation.urls import canonical_url
from pretrain.failures import ProgramError
from pretrain.manifest import Shard, read_manifest
from registry.models import Checkpoint

Matches = Callable[[Document], bool]
MIN_HASH_DIGITS = 8


@dataclass(frozen=True, kw_only=True)
class ShardUse:
    """A shard that a base model was trained on and that is affected."""

    base: Checkpoint
    shard: Shard
    documents: tuple[str, ...]
    """`FILE:OFFSET` of those found in it; empty where a whole shard was asked for."""


@dataclass(frozen=True, kw_only=True)
class Takedown:
    """Everything that a document, an address or a shard has reached."""

    shards: tuple[ShardUse, ...]
    checkpoints: tuple[CheckpointUse, ...]
    rounds: tuple[Round, ...]
    """That start from one of the checkpoints."""
    dropped: tuple[str, ...]
    """Documents that curation left out, and why: one like them may have stayed."""
    not_searched: tuple[str, ...]
    """Shards that are gone or have changed since: what is in them is not known any more."""


def by_shard(name_or_hash: str) -> Takedown:
    """Who was trained on the shard, by its name or the beginning of its SHA-256. Raises Invalid."""
    found = [
        ShardUse(base=base, shard=shard, documents=())
        for base, shard in trained_shards()
        if shard.name == name_or_hash
        or (len(name_or_hash) >= MIN_HASH_DIGITS and shard.sha256.startswith(name_or_hash.lower()))
    ]
    if not found:
        raise Invalid(
            f"No base model was trained on a shard {name_or_hash!r}: give its name, or at least "
            f"{MIN_HASH_DIGITS} digits of its SHA-256, as data.json of a model tells them."
        )
    return reached(found)


def by_url(url: str) -> Takedown:
    """Who was trained on a page of that address, however it is written."""
    wanted = canonical_url(url)
    return search(lambda document: document.url is not None and canonical_url(document.url) == wanted)


def by_document(key: str) -> Takedown:
    """Who was trained on the document `FILE:OFFSET`. Raises Invalid where it is no such key."""
    source, colon, offset = key.rpartition(":")
    if not colon or not source or not offset.isdigit():
        raise Invalid(
            f"{key!r} names no document: give FILE:OFFSET, its source and offset as its shard tells them."
        )
    wanted = (source, int(offset))
    return search(lambda document: document.key == wanted)


def search(matches: Matches) -> Takedown:
    """Look into the shards of all base models; each file is read once."""
    found: list[ShardUse] = []
    dropped: dict[str, None] = {}
    not_searched: dict[str, None] = {}
    known: dict[str, tuple[str, ...]] = {}
    for base, shard in trained_shards():
        path = shard_path(base, shard)
        if shard.sha256 not in known:
            if path is None or not path.is_file() or file_hash(path) != shard.sha256:
                not_searched[f"{shard.name} of {base.name}"] = None
                continue
            known[shard.sha256] = tuple(
                name_of(document) for document in documents_in(path) if matches(document)
            )
            dropped |= dict.fromkeys(left_out(path, matches))
        if known[shard.sha256]:
            found.append(ShardUse(base=base, shard=shard, documents=known[shard.sha256]))
    return reached(found, dropped=tuple(dropped), not_searched=tuple(not_searched))


def reached(
    found: list[ShardUse], *, dropped: tuple[str, ...] = (), not_searched: tuple[str, ...] = ()
) -> Takedown:
    """What descends from the base models of these shards."""
    checkpoints = descending_from({use.base.pk for use in found})
    rounds = Round.objects.filter(base__in=[use.checkpoint.pk for use in checkpoints])
    return Takedown(
        shards=tuple(found),
        checkpoints=checkpoints,
        rounds=tuple(rounds.select_related("project").order_by("pk")),
        dropped=dropped,
        not_searched=not_searched,
    )


def trained_shards() -> Iterator[tuple[Checkpoint, Shard]]:
    """Every shard of every base model that tells its data."""
    for base in Checkpoint.objects.filter(kind=Checkpoint.Kind.BASE).order_by("pk"):
        manifest = read_manifest(Path(base.path))
        yield from ((base, shard) for shard in (manifest.shards if manifest else ()))


def shard_path(base: Checkpoint, shard: Shard) -> Path | None:
    """Where the shard lay when the base was registered."""
    data: dict[str, Any] = base.metrics.get("data", {})  # Any: JSON
    if "corpus" not in data:
        return None
    corpus = Path(data["corpus"])
    return corpus if corpus.is_file() else corpus / shard.name


def documents_in(path: Path) -> Iterator[Document]:
    """The documents of a shard, or the rows of a plain file of JSON lines as such. Raises Invalid."""
    if path.name.endswith(ENDING):
        try:
            yield from read_shard(path)
        except ProgramError as error:
            raise Invalid(str(error)) from error
    elif path.name.endswith((".jsonl", ".jsonl.gz", ".ndjson")):
        for raw in read_json_lines(path, PagesConfig.model_fields["max_bytes"].default):
            if isinstance(raw, RawPage):
                yield Document(text=raw.text or "", source=path.name, offset=raw.offset, url=raw.url)
    else:
        yield Document(text="", source=path.name)


def left_out(path: Path, matches: Matches) -> Iterator[str]:
    """Documents that steps of curation dropped on the way to this shard, in words."""
    for dropped in sorted(path.parent.parent.parent.glob(f"*/out/dropped/{path.name}")):
        for document in documents_in(dropped):
            if matches(document):
                names = ", ".join(name for name, verdict in document.verdicts.items() if not verdict.kept)
                yield f"{name_of(document)} was dropped by {names}"


def name_of(document: Document) -> str:
    """`FILE:OFFSET`, as `by_document` reads it."""
    return f"{document.source}:{document.offset}"
