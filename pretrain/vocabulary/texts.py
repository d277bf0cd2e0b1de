"""Texts for vocabularies, with their language and with a part held out to measure on.

Comes in: files or folders of JSON lines `{"text"}` with `lang` or `language`, or of plain text. Goes out:
texts by language, a tenth of them, drawn by content, held out. Rows that cannot be read are counted.
"""

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pretrain.corpus import (
    ROW_ENDINGS,
    Document,
    Refusal,
    RowError,
    corpus_files,
    numbered_lines,
    read_file,
    row_document,
)
from pretrain.curation.word_hashes import word_hash
from pretrain.failures import ProgramError

HELD_OUT = 10
"""One text in so many."""


class TextSource(BaseModel):
    """Texts of one or several languages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: Path
    """A file or a folder of .jsonl and .txt files, gzip or not."""
    language: str | None = None
    """Of all texts; none: each row has its own in `lang` or `language`."""


@dataclass(kw_only=True)
class Texts:
    """Texts by language."""

    learned: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    held_out: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    num_refused: int = 0

    def add(self, language: str, text: str) -> None:
        """Put a text on its side: equal texts fall on the same."""
        side = self.learned if word_hash(text) % HELD_OUT else self.held_out
        side[language].append(text)

    def to_learn(self) -> list[str]:
        """All texts to learn from, in a fixed order."""
        return [text for language in sorted(self.learned) for text in self.learned[language]]


def read_texts(sources: Iterable[TextSource]) -> Texts:
    """Everything in the sources. Raises ProgramError where nothing is there or too little to hold out any."""
    found = Texts()
    named = list(sources)
    for source in named:
        if not source.path.exists():
            raise ProgramError(f"There is no {source.path}: give a file or folder of .jsonl or .txt files.")
        for file in corpus_files(source.path):
            read_source(file, source.language, found)
    if not found.learned or not found.held_out:
        paths = ", ".join(str(source.path) for source in named)
        raise ProgramError(
            f"There is too little text in {paths} to learn from it and to hold out a tenth: give files "
            "with text, some dozens of rows of each language."
        )
    return found


def read_source(file: Path, language: str | None, found: Texts) -> None:
    """One file. Raises ProgramError where a row's language is not known."""
    if Path(file.name.removesuffix(".gz")).suffix.lower() not in ROW_ENDINGS:
        for part in read_file(file):
            if isinstance(part, Refusal):
                found.num_refused += 1
            elif language is None:
                raise ProgramError(f"{file} is plain text: name its language.")
            elif part.text is not None:
                found.add(language, part.text)
        return
    for number, line in numbered_lines(file):
        if isinstance(line, Refusal):
            found.num_refused += 1
            return
        if not line.strip():
            continue
        try:
            document = row_document(line)
        except RowError:
            found.num_refused += 1
            continue
        code = language or language_of(line)
        if code is None:
            raise ProgramError(f'{file}, line {number}: give the row a "lang", or the source a language.')
        found.add(code, text_of(document))


def language_of(line: bytes) -> str | None:
    """The language that a row names."""
    row = json.loads(line)
    code = row.get("lang") or row.get("language")
    return code if isinstance(code, str) else None


def text_of(document: Document) -> str:
    """A document's text; a dialog's messages one after another."""
    return document.text if document.text is not None else "\n\n".join(document.pieces())
