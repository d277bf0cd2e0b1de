"""Embeddings of dialogs, against the same model one dialog at a time."""

from pathlib import Path

import pytest
import torch

from alignment.sampling.embedding import batches, dialog_embeddings
from alignment.sampling.semantic_dedup import deduplicate
from annotation.records import Message
from pretrain.checkpoint_folder import load_causal_lm
from pretrain.encoders import encoder_for
from tests.alignment.sampling.factories import make_tokenizer
from tests.alignment.sampling.model_factories import make_policy


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedding")
    return make_policy(folder / "base", make_tokenizer(folder / "tokenizer"), seed=1)


def dialog(*texts: str) -> list[Message]:
    """A user's and an assistant's messages in turn."""
    return [
        Message(role="assistant" if place % 2 else "user", content=text) for place, text in enumerate(texts)
    ]


def test_an_embedding_is_the_mean_of_the_last_hidden_states(base: Path) -> None:
    dialogs = [
        dialog("Why?", "So."),
        dialog("What is it, then, if not so?", "It is " + "very " * 9),
        dialog("Hm"),
    ]
    done: list[int] = []
    found = dialog_embeddings(base, dialogs, max_tokens=256, on_progress=done.append)
    model, encoder = load_causal_lm(base), encoder_for(base)
    for row, each in zip(found, dialogs, strict=True):
        with torch.no_grad():
            ids = torch.tensor([encoder.encode_dialog(each)])
            expected = model.base_model(input_ids=ids).last_hidden_state[0].mean(0)
        torch.testing.assert_close(row, expected, atol=1e-5, rtol=1e-5)
    assert done == [3]


def test_a_long_dialog_is_embedded_by_its_end(base: Path) -> None:
    long = dialog("x" * 300, "The end.")
    found = dialog_embeddings(base, [long], max_tokens=32)
    with torch.no_grad():
        ids = torch.tensor([encoder_for(base).encode_dialog(long)[-32:]])
        expected = load_causal_lm(base).base_model(input_ids=ids).last_hidden_state[0].mean(0)
    torch.testing.assert_close(found[0], expected, atol=1e-5, rtol=1e-5)


def test_a_dialog_said_twice_is_a_duplicate_and_others_are_not(base: Path) -> None:
    dialogs = [
        dialog("Name a bird.", "A robin."),
        dialog("12 + 30?", "42"),
        dialog("Name a bird.", "A robin."),
    ]
    found = dialog_embeddings(base, dialogs, max_tokens=256)
    duplicates = deduplicate(found, [0.1, 0.2, 0.3], max_cosine=0.999, cluster_size=50, seed=0)
    assert [(each.dialog, each.near) for each in duplicates] == [(0, 2)]


def test_batches_hold_rows_of_like_length_within_the_limit() -> None:
    rows = [[0] * length for length in (5000, 10, 9000, 3000, 3000)]
    assert list(batches(rows)) == [[2], [0], [3, 4], [1]]
