"""`python -m pretrain.vocabulary.report run.json`: characters per token, by language and tokenizer."""

import csv
import io
from pathlib import Path

from pydantic import Field
from tokenizers import Tokenizer

from pretrain.failures import ProgramError
from pretrain.run import ProgramConfig, RunFolder, program_main, write_atomically
from pretrain.vocabulary.measuring import Figures, by_language
from pretrain.vocabulary.texts import TextSource, read_texts

TABLE_NAME = "characters_per_token.csv"


class ReportConfig(ProgramConfig):
    """Result: {"tokenizers": {name: {"vocabulary_size", "languages": {language: {"characters", "tokens",
    "characters_per_token"}}}}, "num_refused"}; the same figures for people in `characters_per_token.csv`."""

    tokenizers: dict[str, Path] = Field(min_length=1)
    """Folders with a tokenizer.json, of any kind, by the name to show."""
    texts: tuple[TextSource, ...] = Field(min_length=1)
    """Give texts that none of the tokenizers was trained on; all of them are measured."""


def run(config: ReportConfig, folder: RunFolder) -> None:
    """Measure each."""
    texts = read_texts(config.texts)
    everything = {
        language: [*texts.learned.get(language, []), *texts.held_out.get(language, [])]
        for language in {*texts.learned, *texts.held_out}
    }
    found: dict[str, dict[str, Figures]] = {}
    sizes: dict[str, int] = {}
    for place, (name, path) in enumerate(config.tokenizers.items()):
        folder.progress(place, len(config.tokenizers), "tokenizers")
        tokenizer = read_tokenizer(path)
        sizes[name], found[name] = tokenizer.get_vocab_size(), by_language(tokenizer, everything)
    folder.progress(len(found), len(found), "tokenizers")
    write_atomically(folder.path / TABLE_NAME, table(found))
    tokenizers = {name: {"vocabulary_size": sizes[name], "languages": found[name]} for name in found}
    folder.finish({"tokenizers": tokenizers, "num_refused": texts.num_refused})


def read_tokenizer(folder: Path) -> Tokenizer:
    """A folder's tokenizer, for which words that look like special tokens are text."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ProgramError(f"There is no {path}: give the folder of a tokenizer.")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises plain ones
        raise ProgramError(f"{path} is no tokenizer that can be read ({error}): copy it again.") from error
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    return tokenizer


def table(found: dict[str, dict[str, Figures]]) -> str:
    """A row for each language, a column for each tokenizer."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["language", *found])
    for language in next(iter(found.values())):
        rows.writerow([language, *(figures[language]["characters_per_token"] for figures in found.values())])
    return text.getvalue()


if __name__ == "__main__":
    program_main(ReportConfig, run)
