"""Documents for the tests of curation: made from seeded words, so that none is like another by chance."""

import random
from collections.abc import Iterable, Sequence
from pathlib import Path

from pretrain.curation.documents import Document, ShardWriter, read_shard

WORDS = [
    f"{first}{second}" for first in ("ka", "lo", "mi", "ne", "tu") for second in ("ran", "sel", "vik", "dom")
]


def prose(seed: int, num_words: int = 120) -> str:
    """Lines of sentences with English stop words in them."""
    draw = random.Random(seed)
    lines = []
    for _ in range(num_words // 12):
        words = [draw.choice(WORDS) + str(draw.randrange(1000)) for _ in range(8)]
        lines.append(" ".join(["The", *words[:4], "of", "the", *words[4:]]) + ".")
    return "\n".join(lines)


def program(seed: int, num_functions: int = 8) -> str:
    """Python source, unlike all other."""
    draw = random.Random(seed)
    names = [f"{draw.choice(WORDS)}_{draw.randrange(1000)}" for _ in range(num_functions)]
    head = ["import json", "", ""]
    functions = [
        f"def {name}({name}_rows):\n    found = {{}}\n    for row in {name}_rows:\n"
        f"        found[row.{name}] = row\n    return found\n\n"
        for name in names
    ]
    return "\n".join([*head, *functions])


def changed(text: str, num_words: int, seed: int) -> str:
    """The text with some words replaced."""
    words = text.split(" ")
    draw = random.Random(seed)
    for place in draw.sample(range(len(words)), num_words):
        words[place] = f"other{place}"
    return " ".join(words)


def write_shards(folder: Path, documents: Sequence[Document], num: int) -> None:
    """The documents dealt out to so many shards."""
    for part in range(num):
        with ShardWriter(folder / f"{part:02d}.jsonl.zst") as out:
            for document in documents[part::num]:
                out.write(document)


def all_documents(folder: Path) -> list[Document]:
    """What the shards of a folder hold."""
    return [document for path in sorted(folder.glob("*.jsonl.zst")) for document in read_shard(path)]


def keys(documents: Iterable[Document]) -> set[tuple[str, int]]:
    """Which documents they are."""
    return {document.key for document in documents}


def shard_bytes(folder: Path) -> dict[str, bytes]:
    """Every file below the folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}
