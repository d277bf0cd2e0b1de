"""Packed windows: attention within documents only, positions as in the document, every token counted."""

import random
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from pretrain.model import next_token_loss
from pretrain.packing import NO_TARGET, TokenBatch, TokenData
from tests.pretrain.factories import small_model

PAD = 2


def make_documents(lengths: list[int], seed: int = 0) -> list[list[int]]:
    rng = random.Random(seed)
    return [[rng.randrange(10, 300) for _ in range(length)] for length in lengths]


@pytest.fixture(scope="module")
def model(tokenizer_folder: Path) -> nn.Module:
    return small_model(tokenizer_folder).eval()


def logits_of(model: nn.Module, batch: TokenBatch) -> torch.Tensor:
    output: torch.Tensor = model(
        input_ids=batch.input_ids_BT, position_ids=batch.position_ids_BT, attention_mask=batch.mask_B1TT
    ).logits
    return output


@torch.no_grad()
def test_packed_documents_give_the_logits_of_documents_run_alone(model: nn.Module) -> None:
    documents = make_documents([5, 9, 1, 12, 5])
    (batch,) = TokenData(documents, PAD).whole_batches(sequence_length=32, num_rows=4, max_rows=4)
    packed = logits_of(model, batch)[0]
    start = 0
    for document in documents:
        alone = model(input_ids=torch.tensor([document])).logits[0]
        torch.testing.assert_close(packed[start : start + len(document)], alone, atol=1e-5, rtol=1e-5)
        start += len(document)


@torch.no_grad()
def test_a_random_windows_last_document_is_cut_and_its_first_one_whole(model: nn.Module) -> None:
    documents = make_documents([7, 11, 6, 20, 9, 13])
    by_start = {tuple(document[:5]): document for document in documents}
    (batch,) = TokenData(documents, PAD).random_batch(
        seed=0, step=3, num_rows=6, sequence_length=24, rows_per_microbatch=6
    )
    packed = logits_of(model, batch)
    for row in range(6):
        ids, positions = batch.input_ids_BT[row].tolist(), batch.position_ids_BT[row].tolist()
        starts = [place for place in range(24) if positions[place] == 0 and ids[place] != PAD]
        assert starts[0] == 0
        for start, end in zip(starts, [*starts[1:], 24], strict=True):
            piece = [token for token in ids[start:end] if token != PAD]
            if len(piece) >= 5:
                assert by_start[tuple(piece[:5])][: len(piece)] == piece
            alone = model(input_ids=torch.tensor([piece])).logits[0]
            torch.testing.assert_close(packed[row, start : start + len(piece)], alone, atol=1e-5, rtol=1e-5)


def test_targets_are_the_next_tokens_of_the_same_document() -> None:
    documents = [[11, 12, 13], [21, 22]]
    (batch,) = TokenData(documents, PAD).whole_batches(sequence_length=16, num_rows=1, max_rows=1)
    assert batch.targets_BT[0].tolist() == [12, 13, NO_TARGET, 22, *[NO_TARGET] * 12]
    assert batch.position_ids_BT[0].tolist()[:5] == [0, 1, 2, 0, 1]
    assert batch.num_targets == 3


def test_a_document_longer_than_a_window_is_seen_from_every_place() -> None:
    data = TokenData(make_documents([500]), PAD)
    starts = set()
    for step in range(300):
        (batch,) = data.random_batch(seed=0, step=step, num_rows=4, sequence_length=32, rows_per_microbatch=4)
        assert batch.position_ids_BT[:, 0].tolist() == [0] * 4
        starts |= {tuple(row) for row in batch.input_ids_BT[:, :4].tolist()}
    assert len(starts) > 300


def test_a_row_of_one_document_needs_no_mask() -> None:
    data = TokenData(make_documents([500]), PAD)
    (batch,) = data.random_batch(seed=0, step=0, num_rows=1, sequence_length=32, rows_per_microbatch=1)
    assert batch.mask_B1TT is None


def test_evaluation_predicts_every_token_once() -> None:
    documents = make_documents([3, 40, 1, 90, 17, 2, 30])
    targets: list[int] = []
    for batch in TokenData(documents, PAD).whole_batches(sequence_length=32, num_rows=2, max_rows=100):
        targets += [token for token in batch.targets_BT.flatten().tolist() if token != NO_TARGET]
    assert targets == [token for document in documents for token in document[1:]]


def test_batches_depend_on_seed_and_step_alone() -> None:
    def ids(seed: int, step: int) -> list[list[int]]:
        data = TokenData(make_documents([9] * 50), PAD)
        (batch,) = data.random_batch(
            seed=seed, step=step, num_rows=2, sequence_length=32, rows_per_microbatch=2
        )
        rows: list[list[int]] = batch.input_ids_BT.tolist()
        return rows

    assert ids(0, 5) == ids(0, 5)
    assert ids(0, 5) != ids(0, 6)
    assert ids(0, 5) != ids(1, 5)


def test_the_loss_is_the_mean_over_the_documents_tokens_however_it_is_split(model: nn.Module) -> None:
    documents = make_documents([5, 9, 1, 12, 5, 16, 16])
    expected = torch.zeros(())
    for document in documents:
        logits = model(input_ids=torch.tensor([document])).logits[0, :-1]
        expected = expected + F.cross_entropy(
            logits, torch.tensor(document[1:], dtype=torch.long), reduction="sum"
        )
    mean = expected / sum(len(document) - 1 for document in documents)
    data = TokenData(documents, PAD)
    (whole,) = data.whole_batches(sequence_length=32, num_rows=2, max_rows=2)
    loss, metrics = next_token_loss(model, whole)
    torch.testing.assert_close(loss, mean)
    assert metrics["num_tokens"] == 57.0
    halves = data.random_batch(seed=1, step=1, num_rows=4, sequence_length=16, rows_per_microbatch=2)
    (both,) = data.random_batch(seed=1, step=1, num_rows=4, sequence_length=16, rows_per_microbatch=4)
    shares = sum(next_token_loss(model, half)[0] for half in halves)
    torch.testing.assert_close(shares, next_token_loss(model, both)[0])


def test_the_documents_of_a_step_are_those_its_windows_read() -> None:
    documents = [[10 * number + place for place in range(6)] for number in range(1, 30)]
    data = TokenData(documents, PAD)
    for step in range(20):
        (batch,) = data.random_batch(seed=3, step=step, num_rows=2, sequence_length=16, rows_per_microbatch=2)
        read = {int(token) // 10 - 1 for token in batch.input_ids_BT.flatten() if token != PAD}
        assert data.documents(seed=3, step=step, num_rows=2, sequence_length=16) == sorted(read)
