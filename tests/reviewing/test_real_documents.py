"""Real archives of the web and real texts: the verdicts of simulated people make a sift better on documents
that they never saw.

They find the data at ../shared/data from the project's root, and are skipped where it is absent.
"""

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest

from pretrain.curation.classifier import LabelledText, TextClassifier, train_classifier
from pretrain.curation.documents import Document, read_shard
from pretrain.curation.fast_text import FastTextRecipe
from pretrain.curation.run_pages import PagesConfig
from pretrain.curation.run_pages import run as run_pages
from pretrain.curation.sifting import SiftRecipe
from pretrain.run import RunFolder
from reviewing.moving import cross_validated, moved_together
from reviewing.sampling import draw, judged_of
from reviewing.sift_runs import open_run, thresholds_of
from reviewing.thresholds import with_bounds
from reviewing.verdicts import JudgedDocument, bounds_with, reaching, sample_of
from tests.reviewing.factories import sift_again

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
TEXTS = ("gutenberg_whole_books", "standard_ebooks", "nltk_public_domain", "python_source", "udhr_540langs")
LENGTHS = (120, 300, 800, 2500, 6000)
"""Characters of the pieces: those of short and long pages."""
NUM_PIECES, NUM_JUDGED = 1, 400

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.exists(), reason="the real data is not on this machine"),
]


def people_would_drop(text: str) -> bool:
    """A fixed rule that no filter has: under 25 words, few of letters, lines that repeat or never end."""
    words, lines = text.split(), [line.strip() for line in text.splitlines() if line.strip()]
    letters = sum(any(map(str.isalpha, word)) for word in words) / max(1, len(words))
    repeated = 1 - len(set(lines)) / max(1, len(lines))
    ending = sum(line[-1] in ".!?\"”’'»。" for line in lines) / max(1, len(lines))
    return len(words) < 25 or letters < 0.7 or repeated > 0.4 or (ending < 0.05 and len(lines) > 5)


def write_pieces(path: Path) -> None:
    """Pieces of real texts, as long as pages."""
    with path.open("w") as out:
        for name in TEXTS:
            with gzip.open(SHARED / "text" / f"{name}.jsonl.gz", "rt") as lines:
                for number, line in enumerate(lines):
                    text = json.loads(line)["text"]
                    dice = random.Random(f"{name} {number}")
                    for _ in range(1 if len(text) < 1000 else NUM_PIECES):
                        length = dice.choice(LENGTHS)
                        start = dice.randrange(max(1, len(text) - length))
                        out.write(json.dumps({"text": text[start : start + length]}) + "\n")


def errors(out: Path, seen: set[tuple[str, int]], classifier: TextClassifier | None = None) -> float:
    """The share of the documents not in `seen` of which the sift, and the classifier, say something else than
    people."""
    wrong, shards = [], [*out.glob("*.jsonl.zst"), *(out / "dropped").glob("*.jsonl.zst")]
    for document in (each for path in shards for each in read_shard(path)):
        if document.key not in seen:
            kept = document.is_kept and (classifier is None or classifier.probability(document.text) >= 0.5)
            wrong.append(kept == people_would_drop(document.text))
    return float(np.mean(wrong))


def test_people_make_a_sift_of_real_documents_better(tmp_path: Path) -> None:
    write_pieces(tmp_path / "texts.jsonl")
    pages = PagesConfig(inputs=(SHARED / "warc", tmp_path / "texts.jsonl"), out=tmp_path / "in")
    run_pages(pages, RunFolder(tmp_path / "pages"))
    run = open_run(sift_again(tmp_path / "run", tmp_path / "in", SiftRecipe()))
    thresholds = thresholds_of(run.config.recipe)
    drawn = draw(run.documents, thresholds, size=NUM_JUDGED, seed=0)
    sample = sample_of(
        [judged(number, name, each) for number, (name, each) in enumerate(drawn.documents)],
        drawn.populations,
        thresholds,
    )
    moved = moved_together(sample, good_cost=1.0, seed=0)
    bounds = {key: each.bound for key, each in moved.items()}
    now, then = cross_validated(sample, good_cost=1.0, seed=0)
    recipe = with_bounds(run.config.recipe.model_dump(mode="json"), thresholds, bounds)
    again = sift_again(tmp_path / "again", tmp_path / "in", SiftRecipe.model_validate(recipe))
    weight_D = reaching(sample, bounds_with(sample, bounds))
    labels = [
        LabelledText(text=each.text, label=not people_would_drop(each.text), weight=weight)
        for (_, each), weight in zip(drawn.documents, weight_D.tolist(), strict=True)
    ]
    train_classifier(labels, FastTextRecipe(), tmp_path / "classifier", 0)
    seen = {each.key for _, each in drawn.documents}
    before, after = errors(run.out, seen), errors(again / "out", seen)
    trained = errors(again / "out", seen, TextClassifier(tmp_path / "classifier"))
    figures = (
        f"{run.num_documents} documents, {len(moved)} thresholds; wrong of those nobody saw: {before:.3f}, "
        f"moved {after:.3f}, with the classifier {trained:.3f}; {now.error}, {then.error}"
    )
    assert now.error is not None and now.error.low <= before <= now.error.high, figures
    assert after < 0.75 * before, figures
    # A rule that is not about words tells a classifier little: it may not help, and may not hurt much.
    assert trained < 0.75 * before, figures


def judged(number: int, stratum: str, document: Document) -> JudgedDocument:
    """The document with a simulated person's verdict."""
    said = judged_of(document)
    return JudgedDocument(
        pk=number,
        stratum=stratum,
        is_bad=people_would_drop(document.text),
        values=said.values,
        dropped_by=said.dropped_by,
    )
