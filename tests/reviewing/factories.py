"""Runs of `sift` made in the test, people who judge by a fixed rule, and what the whole corpus says of it."""

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from accounts.models import User
from annotation.models import Project
from pretrain.curation.documents import Document, read_shard
from pretrain.curation.heuristics import CODE_LEAVES_OUT, RULES, Bounds, HeuristicRecipe
from pretrain.curation.sift import SiftConfig, run
from pretrain.curation.sifting import SiftRecipe
from pretrain.run import RunFolder
from reviewing.importing import review_import
from reviewing.models import DocumentReview
from reviewing.selectors import review_named
from reviewing.services import reading_next, verdict_give
from tests.pretrain.curation.texts import prose, write_shards

Rule = Callable[[str], bool]
"""Whether a person would drop the text."""

ONLY_WORDS = frozenset(rule.measure for rule in RULES) - {"num_words", "ellipsis_lines"}
RECIPE = SiftRecipe(
    heuristics=HeuristicRecipe(
        bounds={"num_words": Bounds(low=100), "ellipsis_lines": Bounds(high=0.3)},
        without=ONLY_WORDS,
        without_for_code=CODE_LEAVES_OUT,
    ),
    dirty_words=None,
)
"""Too strict on short documents and too mild on lines that break off, by `people_would_drop`."""


def people_would_drop(text: str) -> bool:
    """The fixed rule: fewer than 40 words, or every tenth line breaks off, or it is an advertisement."""
    lines = text.splitlines()
    broken = sum(line.endswith("…") for line in lines) / max(1, len(lines))
    return len(text.split()) < 40 or broken > 0.12 or "discount" in text


def corpus(num: int, seed: int = 0) -> list[Document]:
    """Documents of 12 to 240 words, some of whose lines break off; one in six sells something."""
    draw = random.Random(seed)
    documents = []
    for number in range(num):
        lines = prose(seed * 100_000 + number, 12 * draw.randint(1, 20)).splitlines()
        broken = draw.choice((0.0, 0.0, 0.05, 0.2, 0.25, 0.5))
        if draw.random() < 1 / 6:
            lines = [f"{line} Now at a discount." for line in lines]
        shown = [f"{line}…" if draw.random() < broken else line for line in lines]
        documents.append(
            Document(
                text="\n".join(shown),
                source="pages.warc.gz",
                offset=number,
                url=f"https://example.org/{number}",
                language="en",
            )
        )
    return documents


def sift(folder: Path, documents: Iterable[Document], recipe: SiftRecipe = RECIPE, num: int = 2) -> Path:
    """A finished run; its folder."""
    write_shards(folder / "in", list(documents), num)
    return sift_again(folder / "run", folder / "in", recipe)


def sift_again(run_folder: Path, documents: Path, recipe: SiftRecipe) -> Path:
    """The documents through another recipe."""
    config = SiftConfig(documents=documents, out=run_folder / "out", recipe=recipe)
    folder = RunFolder(run_folder)
    folder.write_config(config)
    run(config, folder)
    return run_folder


def judge_all(review: DocumentReview, people: Iterable[User], rule: Rule = people_would_drop) -> int:
    """Everybody judges what they are handed by the rule; how many verdicts it were."""
    num = 0
    for person in people:
        while (reading := reading_next(review, person)) is not None:
            verdict = "drop" if rule(reading.document.text) else "keep"
            verdict_give(reading.document, person, verdict=verdict, reasons=[])
            num += 1
    return num


def error_on_all(out: Path, rule: Rule = people_would_drop) -> float:
    """The share of all documents of a sift of which it and the rule say different things."""
    wrong = total = 0
    for path in [*out.glob("*.jsonl.zst"), *(out / "dropped").glob("*.jsonl.zst")]:
        for document in read_shard(path):
            wrong += rule(document.text) == document.is_kept
            total += 1
    return wrong / total


def make_review(project: Project, folder: Path, *, num: int = 300, **told: Any) -> DocumentReview:
    """A review of a small corpus."""
    given = {"name": "first", "size": 40, **told}
    review = review_import(project, sift(folder, corpus(num)), **given)
    return review_named(project, review.pk)
