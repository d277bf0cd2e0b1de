"""Topics: the head against classes that can be told apart by hand, and labels that cannot be learned from."""

from pathlib import Path

import pytest
import torch

from alignment.records import LabelledPrompt, Topic
from alignment.sampling.topics import held_out_accuracy, read_labels, topic_counts, train_head
from annotation.records import Message, write_records
from pretrain.run import ProgramError
from tests.alignment.sampling.factories import make_labels


def test_the_head_tells_classes_apart_that_lie_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    centres = torch.tensor([[4.0, 0, 0], [0, 4, 0], [0, 0, 4]])
    labels = [name for name in ("c", "a", "b") for _ in range(20)]
    embeddings = torch.cat([centre + torch.randn(20, 3, generator=generator) for centre in centres])
    head = train_head(embeddings, labels)
    assert head.classes == ("a", "b", "c")
    assert head.classify(centres) == ["c", "a", "b"]


def test_the_head_is_at_its_optimum() -> None:
    embeddings = torch.tensor([[-1.0], [1.0]])
    head = train_head(embeddings, ["left", "right"])
    # By symmetry the weights are -w and w and the bias is none. The loss log(1 + exp(-2 w)) + 0.01 w * w
    # has the slope -2 / (1 + exp(2 w)) + 0.02 w, which is zero at the optimum.
    weight = float(head.weight_CD[1, 0])
    assert float(head.weight_CD[0, 0]) == pytest.approx(-weight)
    slope = -2 / (1 + torch.tensor(2 * weight, dtype=torch.float64).exp()) + 0.02 * weight
    assert float(slope) == pytest.approx(0, abs=1e-5)
    assert head.bias_C.tolist() == pytest.approx([0, 0], abs=1e-6)


def test_the_head_does_not_depend_on_the_units_of_the_states() -> None:
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.randn(30, 4, generator=generator)
    labels = ["x" if row[0] > 0 else "y" for row in embeddings]
    scaled = embeddings * 1000 + 5000
    assert train_head(scaled, labels).classify(scaled) == train_head(embeddings, labels).classify(embeddings)


def test_accuracy_is_of_what_is_held_out() -> None:
    embeddings = torch.tensor([[-2.0], [-1], [1], [2], [-3], [3], [3]])
    labels = ["left", "left", "right", "right", "left", "right", "left"]
    held = [False] * 4 + [True] * 3
    figures = held_out_accuracy(embeddings, labels, held)
    assert figures is not None
    assert figures["accuracy"] == pytest.approx(2 / 3)
    assert figures["num_prompts"] == 3
    assert held_out_accuracy(embeddings, labels, [False] * 7) is None


def test_topics_are_counted_with_the_most_frequent_first() -> None:
    topics = [
        Topic(id=str(place), coarse=coarse, fine=fine)
        for place, (coarse, fine) in enumerate([("a", "x"), ("b", "y"), ("b", "z"), ("b", "z")])
    ]
    assert topic_counts(topics) == [
        {"name": "b", "number": 3, "fine": {"z": 2, "y": 1}},
        {"name": "a", "number": 1, "fine": {"x": 1}},
    ]


def test_labels_that_cannot_be_learned_from_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    with pytest.raises(ProgramError, match=r"There are no labelled prompts at .*quality\.topics\.labels"):
        read_labels(path)
    write_records(path, make_labels(5)[:5])
    with pytest.raises(ProgramError, match="fewer than two coarse topics"):
        read_labels(path)
    path.write_text('{"context": [], "coarse": "a", "fine": "b"}\n')
    with pytest.raises(ProgramError, match="no labelled prompt: context"):
        read_labels(path)


def test_a_coarse_topic_holds_no_colon() -> None:
    with pytest.raises(ValueError, match="coarse"):
        LabelledPrompt(context=(Message(role="user", content="?"),), coarse="a: b", fine="c")
