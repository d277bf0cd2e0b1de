"""Language identification, classifiers and their calibration, on texts made here."""

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pretrain.curation.calibration import area_under_curve, figures, fitted
from pretrain.curation.classifier import LabelledText, TextClassifier, train_classifier
from pretrain.curation.code import NO_LANGUAGE
from pretrain.curation.decontamination import EvaluationTexts
from pretrain.curation.documents import Document
from pretrain.curation.fast_text import FastTextRecipe, load
from pretrain.curation.languages import LanguageModel
from pretrain.curation.sifting import LanguagePart, Sieve, SiftRecipe
from pretrain.curation.train_language import TrainLanguageConfig, run
from pretrain.curation.words import Segments
from pretrain.failures import ProgramError
from pretrain.run import RunFolder
from tests.pretrain.curation.texts import program, prose

SMALL = FastTextRecipe(epochs=5, dimensions=8, buckets=1000)
LINES = {"en": "the cat and the dog are of one house", "de": "der Hund und die Katze sind im Haus"}


def labelled(num: int) -> list[LabelledText]:
    """Good and bad texts with one word that tells them, and one in ten labelled the other way."""
    draw = random.Random(3)
    made = []
    for seed in range(num):
        is_good = draw.random() < 0.5
        word = "references" if is_good else "discount"
        is_labelled_good = is_good if draw.random() < 0.9 else not is_good
        made.append(LabelledText(text=f"{word} {prose(seed, 24)} {word}", label=is_labelled_good))
    return made


def test_a_classifier_is_calibrated_on_documents_it_has_not_learned(tmp_path: Path) -> None:
    measured = train_classifier(labelled(900), SMALL, tmp_path / "one", 1)
    assert measured.num_documents > 100
    assert measured.accuracy > 0.8
    assert measured.expected_error < 0.08
    classifier = TextClassifier(tmp_path / "one")
    # One label in ten is wrong: a calibrated classifier is not surer than that.
    assert 0.75 < classifier.probability(f"references {prose(5000, 24)} references") < 0.99
    assert classifier.probability(f"discount {prose(5001, 24)} discount") < 0.25


def test_the_same_labels_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        train_classifier(labelled(400), SMALL, tmp_path / name, 1)
    for file in ("model.bin", "calibration.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_weights_set_the_calibration_right_where_the_labelled_documents_are_no_even_sample() -> None:
    scores, labels = [0.2, 0.2, 0.8, 0.8], [True, False, True, False]
    weighted = fitted(scores, labels, [1.5, 0.5, 1.9, 0.1])
    # Laplace's two documents beside the two that each score stands for.
    assert weighted.probability(0.2) == pytest.approx((1.5 + 1) / 4)
    assert weighted.probability(0.8) == pytest.approx((1.9 + 1) / 4)
    assert fitted(scores, labels, [1, 1, 0, 0]).scores == (0.2,)
    measured = figures([0.9, 0.9], [True, False], [1.8, 0.2])
    assert measured.accuracy == pytest.approx(0.9)
    assert measured.expected_error == pytest.approx(0.0, abs=1e-12)


def test_too_few_labels_and_a_missing_model_are_told(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="give at least 20 of each"):
        train_classifier(labelled(30), SMALL, tmp_path, 1)
    with pytest.raises(ProgramError, match="is no fastText model"):
        load(tmp_path / "nothing.bin")


def test_languages_are_told_apart(tmp_path: Path) -> None:
    draw = random.Random(1)
    rows = []
    for _ in range(150):
        for code, line in LINES.items():
            words = line.split()
            draw.shuffle(words)
            rows.append(f'{{"lang": "{code}", "text": "{" ".join(words)} {draw.randrange(999)}"}}')
    (tmp_path / "texts.jsonl").write_text("\n".join(rows))
    config = TrainLanguageConfig(
        texts=(tmp_path / "texts.jsonl",),
        out=tmp_path / "model.bin",
        recipe=FastTextRecipe(
            epochs=10, word_ngrams=1, dimensions=8, min_characters=2, max_characters=3, buckets=2000
        ),
    )
    run(config, RunFolder(tmp_path / "run"))
    result = RunFolder(tmp_path / "run").read_result()
    assert result is not None
    assert result["accuracy"] > 0.95
    model = LanguageModel(tmp_path / "model.bin")
    assert model.guess("die Katze und der Hund").code == "de"
    assert model.guess("12 + 3 = 15").code == "und"
    assert not model.guess("the cat").verdict(0.0, {"de"}).kept
    sieve = Sieve(
        SiftRecipe(language=LanguagePart(model=tmp_path / "model.bin", languages=frozenset({"de"})))
    )
    source_code = sieve.sift(Document(text=program(1), source="a"))
    assert (source_code.is_kept, source_code.language) == (True, NO_LANGUAGE)
    assert not sieve.sift(Document(text=prose(1), source="a")).verdicts["language"].kept


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=4, max_size=60))
@settings(max_examples=60, deadline=None)
def test_calibrated_probabilities_never_fall_and_never_are_sure(pairs: list[tuple[int, bool]]) -> None:
    pairs = [*pairs, (3, True), (5, False)]
    calibration = fitted([score / 20 for score, _ in pairs], [label for _, label in pairs])
    values = [calibration.probability(score) for score in np.linspace(-1, 2, 50)]
    assert values == sorted(values)
    assert 0 < values[0] <= values[-1] < 1


def test_calibration_by_hand() -> None:
    # Scores 0.2 (bad, good) and 0.1 (good) fall, so they are one block of 2 good of 3, then Laplace's.
    calibration = fitted([0.1, 0.2, 0.2, 0.9], [1, 0, 1, 1])
    assert calibration.probability(0.15) == pytest.approx(3 / 5)
    assert calibration.probability(0.9) == pytest.approx(2 / 3)
    assert area_under_curve(np.array([0.1, 0.4, 0.4, 0.8]), np.array([0.0, 1.0, 0.0, 1.0])) == 0.875
    assert figures([0.9, 0.1], [1, 0]).brier == pytest.approx(0.01)
    assert figures([0.9, 0.1], [1, 0]).expected_error == pytest.approx(0.1)


def test_evaluation_texts_are_found_inside_documents_whatever_their_case_and_signs() -> None:
    question = "If a train leaves Berlin at noon and drives two hundred kilometres, when does it arrive?"
    texts = EvaluationTexts([question, "What is this?", "Name the five rivers of Babylon"])
    inside = texts.find(Segments(f"{prose(1)}\n{question.upper().replace(',', ' –')}\n{prose(2)}"))
    assert inside is not None
    assert inside.text == question
    assert 0 < inside.share < 0.15
    assert texts.find(Segments("Please name the five rivers of Babylon now")) is not None
    assert texts.find(Segments("What is this? A train leaves Berlin at noon.")) is None
    assert texts.find(Segments("")) is None
