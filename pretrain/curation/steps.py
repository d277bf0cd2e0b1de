"""What every step of curation does with shards: one after another, stopped and resumed at any time.

Comes in: a folder of shards, and what a step says of each document. Goes out, in another folder: a shard of
kept documents for each that came in, under `dropped/` a shard of those left out, and under `reports/` the
counts. A shard whose report is there is done, unless the shard or the configuration has changed since. The
report is written last, so that a kill costs one shard's work and the bytes are the same.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from pretrain.curation.documents import Document, ShardWriter, read_shard, shard_paths
from pretrain.failures import ProgramError
from pretrain.run import ProgramConfig, RunFolder, write_atomically

Judge = Callable[[Document], Document]
"""Gives a document its further verdicts, and a text that may be cleaned."""
Pass = Literal["read", "count", "choose", "write"]
"""What a step does one after another. `read` and `count` look at each shard, `choose` at what they found of
all, `write` judges the documents; a step names those that it has in its PASSES."""


class StepConfig(ProgramConfig):
    """What all steps are told."""

    documents: Path
    """The folder of the shards that come in: pages' or an earlier step's `out`."""
    out: Path
    """The folder of the shards that go out, the step's own."""
    task: int = Field(default=0, ge=0)
    num_tasks: int = Field(default=1, ge=1)
    """Several machines can share a pass over the shards, each with its own run folder and `task`."""
    index: Path | None = None
    """Where passes leave what they find for later ones: a folder that all tasks see. None: the run folder."""
    only: Pass | None = None
    """One pass, of the shards of this task; without, all of them, with whatever lies in the index."""

    def fingerprint(self) -> str:
        """Changes with whatever changes what goes out."""
        told = self.model_dump(exclude={"documents", "out", "task", "num_tasks", "index", "only"})
        return hashlib.sha256(json.dumps(told, default=as_json).encode()).hexdigest()


def as_json(value: object) -> object:
    """What JSON has no form of; sets in order, which differs between processes."""
    return sorted(value) if isinstance(value, frozenset) else str(value)


class ShardReport(BaseModel):
    """What became of one shard."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    shard: str
    sha256: str
    """Of the shard that came in."""
    fingerprint: str
    """Of the step's configuration and of what it read beside."""
    num_documents: int = 0
    num_kept: int = 0
    num_characters: int = 0
    """Of the documents that came in."""
    num_characters_kept: int = 0
    dropped_by: dict[str, int] = Field(default_factory=dict)
    """By filter; a document that several filters dropped counts for each."""


def run_step(
    config: StepConfig,
    folder: RunFolder,
    judge: Callable[[Path], Judge],
    fingerprint: str,
    **told: Any,  # Any: JSON
) -> None:
    """Judge every shard of this task that is not done, and leave the sums in the run folder's result, with
    what is `told` beside.

    `judge` is asked anew for each shard. Raises ProgramError where a shard is damaged.
    """
    shards = own_shards(config)
    done: list[ShardReport] = []
    for number, shard in enumerate(shards):
        folder.progress(number, len(shards), "shards")
        done.append(judged_shard(shard, config.out, judge, fingerprint))
        folder.metrics(number + 1, documents=done[-1].num_documents, kept=done[-1].num_kept)
    folder.progress(len(shards), len(shards), "shards")
    folder.finish(summed(done) | told)


def shards_to_read(config: StepConfig) -> list[Path]:
    """The shards that a pass before the last looks at: this task's where it is the only one, else all."""
    return own_shards(config) if config.only in ("read", "count") else shard_paths(config.documents)


def own_shards(config: StepConfig) -> list[Path]:
    """The shards of this task. Raises ProgramError where there are none or they would be written over."""
    if config.documents.resolve() == config.out.resolve():
        raise ProgramError(f"documents and out are both {config.out}: give out a folder of its own.")
    if config.task >= config.num_tasks:
        raise ProgramError(f"task is {config.task} of {config.num_tasks}: number them from 0.")
    return shard_paths(config.documents)[config.task :: config.num_tasks]


def judged_shard(shard: Path, out: Path, judge: Callable[[Path], Judge], fingerprint: str) -> ShardReport:
    """Judge one shard, unless that is done."""
    sha256 = file_hash(shard)
    report_path = out / "reports" / f"{shard.name}.json"
    before = read_report(report_path)
    if before is not None and (before.sha256, before.fingerprint) == (sha256, fingerprint):
        return before
    own, dropped_by = judge(shard), Counter[str]()
    counts: Counter[str] = Counter()
    with ShardWriter(out / shard.name) as kept, ShardWriter(out / "dropped" / shard.name) as dropped:
        for document in read_shard(shard):
            judged = own(document)
            (kept if judged.is_kept else dropped).write(judged)
            counts["num_documents"] += 1
            counts["num_characters"] += len(document.text)
            counts["num_kept"] += judged.is_kept
            counts["num_characters_kept"] += len(judged.text) if judged.is_kept else 0
            dropped_by.update(name for name, verdict in judged.verdicts.items() if not verdict.kept)
    report = ShardReport(
        shard=shard.name,
        sha256=sha256,
        fingerprint=fingerprint,
        dropped_by=dict(sorted(dropped_by.items())),
        **counts,
    )
    report_path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(report_path, report.model_dump_json(indent=2))
    return report


def read_report(path: Path) -> ShardReport | None:
    """The report of a shard that is done; one that cannot be read is none."""
    try:
        return ShardReport.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def summed(reports: list[ShardReport]) -> dict[str, Any]:  # Any: JSON
    """The sums of all shards, as a step's result."""
    dropped_by: Counter[str] = Counter()
    for report in reports:
        dropped_by.update(report.dropped_by)
    names = ("num_documents", "num_kept", "num_characters", "num_characters_kept")
    return {
        "num_shards": len(reports),
        **{name: sum(getattr(report, name) for report in reports) for name in names},
        "dropped_by": dict(sorted(dropped_by.items())),
    }


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def folder_hash(paths: list[Path]) -> str:
    """One number for several files and folders of files that a step reads beside its shards."""
    told: list[tuple[str, str]] = []
    for path in paths:
        if not path.exists():
            raise ProgramError(f"There is no {path}: a file that this step reads was moved or removed.")
        files = sorted(child for child in path.rglob("*") if child.is_file()) if path.is_dir() else [path]
        told += [(file.name, file_hash(file)) for file in files]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def with_progress(shards: list[Path], folder: RunFolder, unit: str) -> Iterator[Path]:
    """The shards, telling how far a pass over them is."""
    for number, shard in enumerate(shards):
        folder.progress(number, len(shards), unit)
        yield shard
    folder.progress(len(shards), len(shards), unit)
