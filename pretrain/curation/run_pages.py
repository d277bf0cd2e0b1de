"""`python -m pretrain.curation.run_pages run.json`: files of pages become shards of documents.

Each input file is a task. Goes out, in `out`: a shard of documents for each file, under `dropped/` a shard of
those that came to nothing, and under `reports/` what became of every record. The report is written last: a
file whose report is there is done, unless its bytes or the configuration have changed.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from pretrain.curation.documents import ENDING, Document, ShardWriter, Verdict
from pretrain.curation.html_text import page_text
from pretrain.curation.raw_records import NoPage, Raw, RawPage, Unreadable
from pretrain.curation.read_rows import read_html_file, read_json_lines, read_parquet, read_text_file
from pretrain.curation.read_warc import read_warc
from pretrain.curation.steps import Pass, file_hash
from pretrain.failures import ProgramError
from pretrain.run import ProgramConfig, RunFolder, program_main, write_atomically

Reader = Callable[[Path, int], Iterator[Raw]]
PASSES: tuple[Pass, ...] = ("write",)
READERS: tuple[tuple[tuple[str, ...], Reader], ...] = (
    ((".warc", ".warc.gz", ".warc.lz4", ".wet", ".wet.gz", ".wat", ".wat.gz", ".arc", ".arc.gz"), read_warc),
    ((".html", ".htm", ".xhtml"), read_html_file),
    ((".jsonl", ".jsonl.gz", ".ndjson"), read_json_lines),
    ((".parquet",), read_parquet),
    ((".txt", ".txt.gz"), read_text_file),
)
FILTER = "pages"
"""The name of this step's verdict."""
NUM_NAMED = 100
"""Unreadable records of a file that its report names one by one; all are counted."""
VERSION = 1
"""Of the extraction: a higher one does all files again."""


class PagesConfig(ProgramConfig):
    """Result: {"num_files", "num_records", "num_kept", "num_dropped", "num_unreadable", "no_page"}."""

    inputs: tuple[Path, ...] = Field(min_length=1)
    """Files, or folders that are searched for files with endings of READERS."""
    out: Path
    max_bytes: int = Field(default=8 << 20, ge=1 << 10)
    """Of a page, a line or a text: longer ones are left out and counted."""
    task: int = Field(default=0, ge=0)
    num_tasks: int = Field(default=1, ge=1)
    """Several machines can share the files, each with its own run folder and `task`."""

    def fingerprint(self) -> str:
        """Changes with whatever changes what goes out."""
        return f"{VERSION}:{self.max_bytes}"


class Unread(BaseModel):
    """A record that could not be read."""

    offset: int
    reason: str


class FileReport(BaseModel):
    """What became of one file: num_records = num_kept + num_dropped + num_unreadable + all of no_page."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    source: str
    sha256: str
    fingerprint: str
    num_records: int = 0
    num_kept: int = 0
    num_dropped: int = 0
    """Pages without text; they are under `dropped/`."""
    num_unreadable: int = 0
    no_page: dict[str, int] = Field(default_factory=dict)
    """Sound records that are no page, by reason."""
    unreadable: list[Unread] = Field(default_factory=list)
    """The first of them."""


def run(config: PagesConfig, folder: RunFolder) -> None:
    """Read every file of this task that is not done."""
    if config.task >= config.num_tasks:
        raise ProgramError(f"task is {config.task} of {config.num_tasks}: number them from 0.")
    files = list(input_files(config.inputs).items())[config.task :: config.num_tasks]
    total, done = sum(path.stat().st_size for _, path in files), 0
    reports: list[FileReport] = []
    for number, (source, path) in enumerate(files, start=1):
        folder.progress(done, total, "bytes")
        reports.append(read_file(path, source, config))
        done += path.stat().st_size
        last = reports[-1]
        folder.metrics(number, records=last.num_records, kept=last.num_kept, unreadable=last.num_unreadable)
    folder.progress(done, total, "bytes")
    no_page = sum((Counter(report.no_page) for report in reports), Counter[str]())
    names = ("num_records", "num_kept", "num_dropped", "num_unreadable")
    sums = {name: sum(getattr(report, name) for report in reports) for name in names}
    folder.finish({"num_files": len(reports), **sums, "no_page": dict(sorted(no_page.items()))})


def input_files(inputs: tuple[Path, ...]) -> dict[str, Path]:
    """The files by source name, which is their path below what was given. Raises ProgramError."""
    found: dict[str, Path] = {}
    for given in inputs:
        if not given.exists():
            raise ProgramError(f"There is no {given}: give files or folders of pages that exist.")
        inside = sorted(path for path in given.rglob("*") if path.is_file() and reader_of(path))
        for path in inside if given.is_dir() else [given]:
            source = str(path.relative_to(given)) if given.is_dir() else path.name
            if reader_of(path) is None:
                raise ProgramError(f"{path} has an ending that is not known: use one of {endings()}.")
            if found.setdefault(source, path) != path:
                raise ProgramError(f"Two inputs are named {source}: rename one, or give the folder above.")
    if not found:
        raise ProgramError(f"There are no pages in {inputs[0]}: give files that end in one of {endings()}.")
    return found


def reader_of(path: Path) -> Reader | None:
    """Who reads a file of this ending."""
    return next((reader for ends, reader in READERS if path.name.lower().endswith(ends)), None)


def endings() -> str:
    """All endings that are known, for people."""
    return ", ".join(ending for ends, _ in READERS for ending in ends)


def shard_name(source: str) -> str:
    """The shard of a source: readable, and its own also where two paths look alike."""
    mark = hashlib.sha256(source.encode()).hexdigest()[:8]
    return f"{source.replace('/', '_')[-120:]}-{mark}{ENDING}"


def read_file(path: Path, source: str, config: PagesConfig) -> FileReport:
    """Read one file, unless that is done."""
    sha256 = file_hash(path)
    name = shard_name(source)
    report_path = config.out / "reports" / f"{name}.json"
    before = read_report(report_path)
    if before is not None and (before.sha256, before.fingerprint) == (sha256, config.fingerprint()):
        return before
    report_path.unlink(missing_ok=True)
    reader = reader_of(path)
    assert reader is not None, path
    counts, no_page, unreadable = Counter[str](), Counter[str](), list[Unread]()
    with ShardWriter(config.out / name) as kept, ShardWriter(config.out / "dropped" / name) as dropped:
        for raw in reader(path, config.max_bytes):
            counts["num_records"] += 1
            match raw:
                case NoPage():
                    no_page[raw.reason] += 1
                case Unreadable():
                    counts["num_unreadable"] += 1
                    if len(unreadable) < NUM_NAMED:
                        unreadable.append(Unread(offset=raw.offset, reason=raw.reason))
                case RawPage():
                    document = document_of(raw, source)
                    counts["num_kept" if document.is_kept else "num_dropped"] += 1
                    (kept if document.is_kept else dropped).write(document)
    report = FileReport(
        source=source,
        sha256=sha256,
        fingerprint=config.fingerprint(),
        no_page=dict(sorted(no_page.items())),
        unreadable=unreadable,
        **counts,
    )
    report_path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(report_path, report.model_dump_json(indent=2))
    return report


def document_of(raw: RawPage, source: str) -> Document:
    """The document of a page; one without text is dropped."""
    text = raw.text if raw.text is not None else page_text(raw.body or b"", raw.charset)
    dropped = {} if text.strip() else {FILTER: Verdict(kept=False, reason="no text in it")}
    return Document(
        text=text,
        source=source,
        offset=raw.offset,
        url=raw.url,
        date=raw.date,
        language=raw.language,
        verdicts=dropped,
    )


def read_report(path: Path) -> FileReport | None:
    """The report of a file that is done; one that cannot be read is none."""
    try:
        return FileReport.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


if __name__ == "__main__":
    program_main(PagesConfig, run)
