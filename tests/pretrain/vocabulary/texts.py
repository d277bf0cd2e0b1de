"""Small texts of invented languages, and the tokenizer of one."""

import json
import random
from pathlib import Path

from pretrain.tokenizer import save_tokenizer, train_tokenizer
from tests.pretrain.factories import sentences

GREEK = ("καλημέρα", "κόσμε", "θάλασσα", "ουρανός", "δέντρο", "φίλε")


def greek(count: int, seed: int = 0) -> list[str]:
    """Texts in letters that the base never saw."""
    draw = random.Random(seed)
    return [" ".join(draw.choices(GREEK, k=6)) + "." for _ in range(count)]


def write_texts(path: Path, texts: list[str], language: str | None = None) -> Path:
    """JSON lines, with the language where one is given."""
    rows = [{"text": text} if language is None else {"text": text, "lang": language} for text in texts]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def base_folder(folder: Path, vocabulary_size: int = 400) -> Path:
    """A tokenizer of English sentences."""
    save_tokenizer(train_tokenizer(sentences(300), vocabulary_size), folder, max_length=64)
    return folder
