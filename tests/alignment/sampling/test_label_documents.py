"""A judge labels documents, over real HTTP; the labels train classifiers that agree with it."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from alignment.programs import LabelDocumentsConfig
from alignment.sampling import label_documents
from pretrain.curation import train_classifier, train_kinds
from pretrain.curation.classifier import TextClassifier
from pretrain.curation.documents import Document
from pretrain.curation.kinds import KindModel
from pretrain.run import ProgramError, RunFolder
from tests.alignment.sampling.fake_judge import FakeJudge
from tests.pretrain.curation.texts import prose, write_shards

REQUIREMENTS = "It explains something, with reasons."


def documents(num: int) -> list[Document]:
    """Every second one explains."""
    return [
        Document(text=("because therefore " if n % 2 else "buy now ") + prose(n, 24), source="web", offset=n)
        for n in range(num)
    ]


def labels_by(judge: FakeJudge, folder: Path, **fields: Any) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Run the program; (result, rows)."""
    if not (folder / "in").exists():
        write_shards(folder / "in", documents(360), 3)
    config = LabelDocumentsConfig(
        documents=folder / "in",
        judge=judge.config,
        judged=folder / "judged.jsonl",
        out=folder / "labels.jsonl",
        **({"requirements": REQUIREMENTS} | fields),
    )
    label_documents.run(config, RunFolder(folder / "run"))
    result = RunFolder(folder / "run").read_result()
    assert result is not None
    return result, [json.loads(line) for line in config.out.read_text().splitlines()]


def test_a_classifier_learns_what_the_judge_says_of_written_requirements(
    fake_judge: FakeJudge, tmp_path: Path
) -> None:
    fake_judge.label = lambda text: {"meets": "because" in text}
    result, _ = labels_by(fake_judge, tmp_path)
    assert result == {
        "num_documents": 360,
        "num_labelled": 360,
        "num_unusable": 0,
        "labels": {"false": 180, "true": 180},
    }
    assert all(REQUIREMENTS in request["messages"][0]["content"] for request in fake_judge.requests)
    config = train_classifier.TrainClassifierConfig(labels=(tmp_path / "labels.jsonl",), out=tmp_path / "c")
    train_classifier.run(config, RunFolder(tmp_path / "train"))
    classifier = TextClassifier(tmp_path / "c")
    fresh = [document.text for document in documents(400)[360:]]
    agreed = [(classifier.probability(text) > 0.5) == ("because" in text) for text in fresh]
    assert sum(agreed) >= 38


def test_a_classifier_learns_kinds(fake_judge: FakeJudge, tmp_path: Path) -> None:
    fake_judge.label = lambda text: {"kind": "science" if "because" in text else "shops"}
    kinds = {"science": "explanations", "shops": "things for sale"}
    result, _ = labels_by(fake_judge, tmp_path, requirements="", kinds=kinds)
    assert result["labels"] == {"science": 180, "shops": 180}
    form = fake_judge.requests[0]["response_format"]["json_schema"]["schema"]
    assert form["properties"]["kind"]["enum"] == ["science", "shops"]
    config = train_kinds.TrainKindsConfig(labels=(tmp_path / "labels.jsonl",), out=tmp_path / "kinds.bin")
    train_kinds.run(config, RunFolder(tmp_path / "train"))
    model = KindModel(tmp_path / "kinds.bin")
    assert model.kinds == {"science", "shops"}
    assert model.guess(documents(402)[401].text)[0] == "science"


def test_a_sample_is_the_same_again_and_asks_nothing_twice(fake_judge: FakeJudge, tmp_path: Path) -> None:
    first, rows = labels_by(fake_judge, tmp_path, num_documents=20)
    assert first["num_documents"] == len(fake_judge.requests) == 20
    with (tmp_path / "judged.jsonl").open("a") as judged:
        judged.write('{"id": "web:1')  # as a kill leaves it
    _, again = labels_by(fake_judge, tmp_path, num_documents=30)
    assert len(fake_judge.requests) == 30
    assert [row for row in again if row in rows] == rows
    labels_by(fake_judge, tmp_path, num_documents=30, requirements="Something else.")
    assert len(fake_judge.requests) == 60


def test_documents_without_a_usable_reply_are_left_out_and_counted(
    fake_judge: FakeJudge, tmp_path: Path
) -> None:
    fake_judge.label = lambda text: {"meets": True} if "because" in text else {"meets": "perhaps"}
    result, rows = labels_by(fake_judge, tmp_path, num_documents=40)
    assert result["num_labelled"] + result["num_unusable"] == 40
    assert all("because" in row["text"] for row in rows)
    fake_judge.label = lambda text: {}
    with pytest.raises(ProgramError, match="gave none of 40 documents a label"):
        labels_by(fake_judge, tmp_path, num_documents=40, requirements="More.")


def test_what_is_asked_must_be_one_thing(fake_judge: FakeJudge, tmp_path: Path) -> None:
    for fields, told in (
        ({"requirements": " "}, "either `requirements` or `kinds`"),
        ({"kinds": {"a": "", "b": ""}}, "either `requirements` or `kinds`"),
        ({"requirements": "", "kinds": {"a": ""}}, "two `kinds` or more"),
        ({"requirements": "", "kinds": {"a b": "", "c": ""}}, "pattern"),
    ):
        with pytest.raises(ValidationError, match=told):
            labels_by(fake_judge, tmp_path, **fields)
