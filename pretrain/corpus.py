"""Reading a corpus: documents from JSON lines or plain text, gzip or not, one file or a folder of them, or
from the shards of curation.

Comes in: a path. Goes out: documents in a fixed order, and for every row that cannot be used its line and
the reason. A row is `{"text": …}` or a dialog `{"messages": [{"role", "content"}…]}`; other fields are
passed over. A plain text file is one document, a long one several. What lies in one folder of the corpus,
or in one file beside those, is a source; shards know theirs.
"""

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

from pretrain.curation.documents import ENDING as SHARD_ENDING
from pretrain.curation.documents import read_shard, shard_paths
from pretrain.dialog import HEADER_SEPARATOR, ROLES
from pretrain.run import ProgramError

TEXT_ENDINGS = (".txt", ".md")
ROW_ENDINGS = (".jsonl", ".ndjson")
GZIP_ENDING = ".gz"

MAX_DOCUMENT_CHARACTERS = 100_000
"""A longer text is cut at line ends: then one book can give both training and held-out documents."""


@dataclass(frozen=True)
class CorpusMessage:
    """One message of a dialog."""

    role: str
    content: str
    tool_call: bool = False
    """Whether the content, the assistant's, is for a tool to run."""


@dataclass(frozen=True)
class Document:
    """A plain text, or a dialog; exactly one of the two."""

    text: str | None = None
    messages: tuple[CorpusMessage, ...] = ()
    source: str = field(default="", compare=False)
    """What a mix knows it by."""

    def pieces(self) -> list[str]:
        """The strings that the tokenizer will see, role names included."""
        if self.text is not None:
            return [self.text]
        pieces: list[str] = []
        for message in self.messages:
            pieces += [message.role, HEADER_SEPARATOR + message.content]
        return pieces

    @property
    def num_characters(self) -> int:
        """Characters of text, headers not counted."""
        return len(self.text or "") + sum(len(message.content) for message in self.messages)

    def digest(self, seed: int) -> int:
        """A number that depends on the content and the seed alone: equal documents stay together."""
        whole = "\0".join([str(seed), *self.pieces()]).encode("utf-8")
        return int.from_bytes(hashlib.blake2b(whole, digest_size=8).digest(), "big")


@dataclass(frozen=True)
class Refusal:
    """A row or file that was left out. Line 0 stands for the whole file."""

    file: str
    line: int
    reason: str


@dataclass(frozen=True)
class CorpusFile:
    """A file that was read."""

    path: Path
    source: str
    num_documents: int
    """Of the corpus: parts of a long text count each."""


@dataclass(frozen=True)
class Corpus:
    """What was read: the documents, the refusals, and the files."""

    documents: tuple[Document, ...]
    refusals: tuple[Refusal, ...]
    files: tuple[CorpusFile, ...]

    @property
    def num_files(self) -> int:
        """Those without a document, too."""
        return len(self.files)


class RowError(Exception):
    """Why one row is refused."""


def read_corpus(path: Path) -> Corpus:
    """Read a file, or every file under a folder in the order of their names.

    Raises ProgramError when there is nothing at `path` or no text in it.
    """
    path = Path(path)
    if not path.exists():
        raise ProgramError(f"There is no corpus at {path}: give a .jsonl or .txt file or a folder of them.")
    documents: list[Document] = []
    refusals: list[Refusal] = []
    files: list[CorpusFile] = []
    for file in corpus_files(path):
        before = len(documents)
        source = source_name(file.relative_to(path) if path.is_dir() else PurePath(file.name))
        for found in read_file(file):
            if isinstance(found, Document):
                documents.append(found if found.source else replace(found, source=source))
            else:
                refusals.append(found)
        num_documents = len(documents) - before
        files.append(CorpusFile(file, documents[-1].source if num_documents else source, num_documents))
    if not documents and any(str(file.path).endswith(SHARD_ENDING) for file in files):
        raise ProgramError(
            f"Curation left no document in {path}: its steps' reports, beside their shards, say what dropped "
            "them. Give more files, or milder filters."
        )
    if not documents:
        why = f" ({refusals[0].file}, line {refusals[0].line}: {refusals[0].reason})" if refusals else ""
        raise ProgramError(
            f"There is no text in the corpus {path}{why}: give .jsonl or .txt files with text."
        )
    return Corpus(documents=tuple(documents), refusals=tuple(refusals), files=tuple(files))


def split_documents(
    documents: tuple[Document, ...], holdout_fraction: float, seed: int
) -> tuple[list[Document], list[Document]]:
    """Training and held-out documents, both in an order drawn from the seed.

    Equal documents fall on the same side. A corpus of one document trains on it and measures on it too.
    """
    digests = [document.digest(seed) for document in documents]
    order = sorted(range(len(documents)), key=lambda place: (digests[place], place))
    wanted = max(1, round(len(documents) * holdout_fraction))
    edge = digests[order[min(wanted, len(order)) - 1]]
    holdout = [documents[place] for place in order if digests[place] <= edge]
    training = [documents[place] for place in order if digests[place] > edge]
    return (training or holdout), holdout


def corpus_files(path: Path) -> list[Path]:
    """The files to read; hidden ones are passed over, and beside shards everything else."""
    if path.is_file():
        return [path]
    if any(path.glob(f"*{SHARD_ENDING}")):
        return shard_paths(path)
    inside = (file for file in path.rglob("*") if file.is_file())
    return sorted(
        file for file in inside if not any(part.startswith(".") for part in file.relative_to(path).parts)
    )


def source_name(path: PurePath) -> str:
    """The source of a file at `path` in its corpus: its first folder, or its name without endings."""
    return path.parts[0] if len(path.parts) > 1 else path.name.split(".")[0] or path.name


def read_file(file: Path) -> Iterator[Document | Refusal]:
    """Documents and refusals of one file, in order."""
    if file.name.endswith(SHARD_ENDING):
        yield from read_documents(file)
        return
    ending = Path(file.name.removesuffix(GZIP_ENDING)).suffix.lower()
    if ending in ROW_ENDINGS:
        yield from read_rows(file)
    elif ending in TEXT_ENDINGS:
        yield from read_text(file)
    else:
        kinds = ", ".join((*ROW_ENDINGS, *TEXT_ENDINGS))
        yield Refusal(str(file), 0, f"the name does not end in {kinds} (or these and {GZIP_ENDING})")


def read_documents(shard: Path) -> Iterator[Document]:
    """The documents of a shard of curation. Raises ProgramError where it is damaged."""
    for found in read_shard(shard):
        if found.text.strip():
            source = source_name(PurePath(found.source))
            yield from (replace(part, source=source) for part in cut(Document(text=found.text)))


def read_rows(file: Path) -> Iterator[Document | Refusal]:
    """One document for each line of JSON."""
    for number, line in numbered_lines(file):
        if isinstance(line, Refusal):
            yield line
            return
        try:
            if line.strip():
                yield from cut(row_document(line))
        except RowError as error:
            yield Refusal(str(file), number, str(error))


def read_text(file: Path) -> Iterator[Document | Refusal]:
    """A whole text file; what comes before a broken line is kept."""
    lines: list[str] = []
    broken: list[Refusal] = []
    for number, line in numbered_lines(file):
        if isinstance(line, Refusal):
            broken.append(line)
            break
        try:
            lines.append(line.decode("utf-8"))
        except UnicodeDecodeError:
            broken.append(Refusal(str(file), number, "the line is not UTF-8"))
    text = "".join(lines)
    if text.strip():
        yield from cut(Document(text=text))
    elif not broken:
        yield Refusal(str(file), 0, "the file is empty")
    yield from broken


def numbered_lines(file: Path) -> Iterator[tuple[int, bytes | Refusal]]:
    """Lines from 1; a refusal ends them where the gzip stream is cut short or damaged."""
    number = 0
    with gzip.open(file, "rb") if file.name.endswith(GZIP_ENDING) else file.open("rb") as lines:
        while True:
            number += 1
            try:
                line = lines.readline()
            except (EOFError, zlib.error, gzip.BadGzipFile) as error:
                yield number, Refusal(str(file), number, f"the gzip file is cut short or damaged ({error})")
                return
            if not line:
                return
            yield number, line


def row_document(line: bytes) -> Document:
    """The document of one JSON line. Raises RowError with the reason."""
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise RowError("the line is not UTF-8") from error
    except (ValueError, RecursionError) as error:
        raise RowError("the line is no JSON") from error
    if not isinstance(row, dict):
        raise RowError("the line holds no JSON object")
    if "messages" in row:
        return dialog_document(row["messages"])
    text = row.get("text")
    if not isinstance(text, str):
        raise RowError('the row has neither a string "text" nor "messages"')
    if not text.strip():
        raise RowError('"text" is empty')
    return Document(text=encodable(text))


def dialog_document(messages: Any) -> Document:
    """The dialog of a row's messages. Raises RowError with the reason."""
    if not isinstance(messages, list) or not messages:
        raise RowError('"messages" is no list of messages')
    read: list[CorpusMessage] = []
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("content"), str):
            raise RowError('a message has no string "content"')
        role = message.get("role")
        if role not in ROLES:
            raise RowError(f"the role {role!r} is none of {', '.join(ROLES)}")
        if not message["content"].strip():
            raise RowError(f"a message of {role} is empty")
        if read and read[-1].role == role:
            raise RowError(f"{role} speaks twice in a row")
        tool_call = message.get("tool_call", False)
        if not isinstance(tool_call, bool) or (tool_call and role != "assistant"):
            raise RowError('"tool_call" is true or false, and true only for the assistant')
        read.append(CorpusMessage(role, encodable(message["content"]), tool_call))
    return Document(messages=tuple(read))


def encodable(text: str) -> str:
    """The text, if it can be written as UTF-8: JSON may hold half of a surrogate pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RowError("the text holds half of a surrogate pair") from error
    return text


def cut(document: Document) -> Iterator[Document]:
    """The document, or the parts of a text that is too long for one."""
    text = document.text
    if text is None or len(text) <= MAX_DOCUMENT_CHARACTERS:
        yield document
        return
    start = 0
    while start < len(text):
        end = start + MAX_DOCUMENT_CHARACTERS
        if end < len(text):
            # The last line end of the part's second half, if there is one.
            line_end = text.rfind("\n", start + MAX_DOCUMENT_CHARACTERS // 2, end)
            end = line_end + 1 if line_end >= 0 else end
        if text[start:end].strip():
            yield Document(text=text[start:end])
        start = end
