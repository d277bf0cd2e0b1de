"""The stream of tokens: no token is lost and none comes twice, however it is read."""

import torch

from pretrain.packing import NO_TARGET
from pretrain.parallel.schedule import Phase, Reading, TokenSchedule
from pretrain.stream import TokenStream

DOCUMENTS = [[100 * number + place for place in range(1, 4 + 3 * number)] for number in range(7)]


def test_an_epoch_is_every_document_once_and_whole() -> None:
    stream = TokenStream(DOCUMENTS, seed=1)
    for epoch in range(3):
        tokens = stream.rows(epoch * stream.num_tokens, 1, stream.num_tokens).input_ids_RT[0].tolist()
        read = []
        while tokens:
            document = next(document for document in DOCUMENTS if document[0] == tokens[0])
            assert tokens[: len(document)] == document
            read.append(document[0])
            tokens = tokens[len(document) :]
        assert sorted(read) == [document[0] for document in DOCUMENTS]


def test_orders_depend_on_seed_and_epoch_alone() -> None:
    def epoch(seed: int, number: int) -> list[int]:
        stream = TokenStream(DOCUMENTS, seed)
        return stream.rows(number * stream.num_tokens, 1, stream.num_tokens).input_ids_RT[0].tolist()

    assert epoch(1, 0) == epoch(1, 0)
    assert epoch(1, 0) != epoch(2, 0)
    assert epoch(1, 0) != epoch(1, 1)


def test_any_batches_and_lengths_read_the_same_tokens() -> None:
    stream = TokenStream(DOCUMENTS, seed=1)
    expected = stream.rows(0, 1, 5 * 24 * 4).input_ids_RT.flatten()
    place, read = 0, []
    for num_rows, length in ((4, 24), (8, 24), (2, 48), (1, 96)):
        read.append(stream.rows(place, num_rows, length).input_ids_RT.flatten())
        place += num_rows * length
    assert torch.equal(torch.cat(read), expected)


def test_targets_stay_in_their_document_and_cross_rows() -> None:
    stream = TokenStream(DOCUMENTS, seed=1)
    rows = stream.rows(0, 3, 10)
    inputs, targets = rows.input_ids_RT.flatten(), rows.targets_RT.flatten()
    for own, following, target in zip(inputs, inputs[1:], targets, strict=False):
        same = own // 100 == following // 100
        assert target == (following if same else NO_TARGET)
    assert rows.num_targets == int((targets != NO_TARGET).sum())


def test_positions_restart_with_each_document_and_each_row() -> None:
    rows = TokenStream(DOCUMENTS, seed=1).rows(0, 3, 10)
    for row in range(3):
        start = 0
        for place in range(10):
            ids = rows.input_ids_RT[row]
            if place and ids[place] // 100 != ids[place - 1] // 100:
                start = place
            assert rows.starts_RT[row, place] == start
            assert rows.position_ids_RT[row, place] == place - start


def test_a_stretch_of_tokens_names_its_documents() -> None:
    stream = TokenStream(DOCUMENTS, seed=1)
    named = stream.documents(0, 12)
    first = stream.rows(0, 1, 12).input_ids_RT[0].tolist()
    assert named == list(dict.fromkeys(token // 100 for token in first))


def test_batches_grow_by_tokens_seen_and_a_resumed_schedule_goes_on_with_the_next_token() -> None:
    phases = (
        Phase(from_tokens=0, num_rows=2, sequence_length=8),
        Phase(from_tokens=40, num_rows=2, sequence_length=16),
        Phase(from_tokens=100, num_rows=4, sequence_length=16),
    )
    schedule = TokenSchedule(num_tokens=200, phases=phases, learning_rate=1.0, warmup_tokens=32)
    reading = Reading(schedule)
    steps = [(reading.tokens_before(step), reading.phase_at(step)) for step in range(reading.num_steps)]
    assert [place for place, _ in steps] == [0, 16, 32, 48, 80, 112, 176]
    assert [phases.index(phase) for _, phase in steps] == [0, 0, 0, 1, 1, 2, 2]
    assert reading.learning_rate_at(0) == 0.5 and reading.learning_rate_at(1) == 1.0
    assert reading.tokens_before(reading.num_steps) == 240

    other = schedule.model_copy(update={"phases": (Phase(from_tokens=0, num_rows=8, sequence_length=4),)})
    resumed = Reading(other, step=3, num_tokens=48)
    assert [resumed.tokens_before(step) for step in range(3, resumed.num_steps)] == [48, 80, 112, 144, 176]
    assert Reading(schedule, step=7, num_tokens=240).num_steps == 7
