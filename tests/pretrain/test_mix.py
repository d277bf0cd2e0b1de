"""A mix: its shares, what it counts, and that a change leaves alone what was drawn before it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pretrain.mix import MODULUS, Deal, Mix, MixPhase, check_change, floor_sum, proportional_mix
from pretrain.mixed_stream import MixedStream
from pretrain.packing import NO_TARGET
from pretrain.parallel.schedule import Phase, Reading, TokenSchedule
from pretrain.run import ProgramError

SOURCES = ("books", "code", "web")
DOCUMENTS = [
    [1000 * (1 + source) + 10 * number + place for place in range(2 + (3 * number + source) % 8)]
    for source in range(3)
    for number in range(15)
]
SOURCE_OF = [SOURCES[document[0] // 1000 - 1] for document in DOCUMENTS]


def mix_of(*phases: tuple[int, dict[str, float]], block_tokens: int = 16) -> Mix:
    told = tuple(MixPhase(from_tokens=first, weights=weights) for first, weights in phases)
    return Mix(phases=told, block_tokens=block_tokens)


CHANGING = mix_of((0, {"web": 3, "books": 1}), (1000, {"web": 1, "books": 1, "code": 2}), (3000, {"code": 1}))


def stream_of(mix: Mix, seed: int = 5) -> MixedStream:
    return MixedStream(DOCUMENTS, SOURCE_OF, mix, seed)


def tokens(stream: MixedStream, first: int, num: int) -> list[int]:
    return stream.rows(first, 1, num).input_ids_RT[0].tolist()


@given(
    st.integers(0, 40),
    st.integers(1, 50),
    st.integers(0, 200),
    st.integers(0, 200),
)
def test_the_sum_of_floors_is_the_sum_of_floors(num: int, modulus: int, factor: int, offset: int) -> None:
    expected = sum((factor * place + offset) // modulus for place in range(num))
    assert floor_sum(num, modulus, factor, offset) == expected


@settings(max_examples=30)
@given(st.integers(0, 5000), st.integers(0, 2**63))
def test_the_count_of_blocks_is_what_was_dealt(block: int, seed: int) -> None:
    deal = Deal(CHANGING, seed)
    dealt = np.bincount(deal.sources_of(0, block), minlength=3).tolist()
    assert deal.blocks_before(block) == dealt


def test_shares_are_kept_to_within_a_dozen_blocks_however_far_the_training_is() -> None:
    deal = Deal(mix_of((0, {"a": 0.5, "b": 0.25, "c": 0.17, "d": 0.08})), seed=1)
    for block in (10, 1000, 10**6, 10**12):
        for count, share in zip(deal.blocks_before(block), (0.5, 0.25, 0.17, 0.08), strict=True):
            assert abs(count - share * block) < 12


def test_no_source_without_weight_is_drawn_and_the_whole_interval_is_dealt() -> None:
    deal = Deal(mix_of((0, {"a": 0.1, "b": 0.2, "c": 0.0, "d": 0.7, "z": 0.0})), seed=3)
    assert deal.sources == ["a", "b", "d"]
    assert sum(deal.blocks_before(777)) == 777
    assert deal._edges_PS[0][-1] == MODULUS


def test_any_batches_and_lengths_read_the_same_tokens() -> None:
    stream = stream_of(CHANGING)
    expected = tokens(stream, 0, 4800)
    place, read = 0, list[int]()
    for num_rows, length in ((4, 24), (8, 24), (2, 48), (1, 96), (7, 31), (41, 100)):
        read += stream.rows(place, num_rows, length).input_ids_RT.flatten().tolist()
        place += num_rows * length
    assert read == expected[:place]
    assert tokens(stream_of(CHANGING, seed=6), 0, 4800) != expected


def test_each_source_is_read_whole_epoch_after_epoch_and_the_ledger_says_how_often() -> None:
    stream = stream_of(CHANGING)
    read = tokens(stream, 0, 4800)
    ledger = {drawn.source: drawn for drawn in stream.ledger(4800)}
    for number, name in enumerate(SOURCES):
        own = [token for token in read if token // 1000 == number + 1]
        size = sum(len(document) for document in DOCUMENTS if document[0] // 1000 == number + 1)
        assert ledger[name].tokens == len(own)
        assert ledger[name].epochs == len(own) / size > 3
        for epoch in range(len(own) // size):
            assert len(set(own[epoch * size : (epoch + 1) * size])) == size
    for upto in (0, 1, 15, 16, 17, 999, 1016, 4799):
        counted = np.bincount([token // 1000 for token in read[:upto]], minlength=4)[1:].tolist()
        assert [drawn.tokens for drawn in stream.ledger(upto)] == counted


def test_a_change_in_mid_run_alters_nothing_before_it_and_a_new_source_may_come() -> None:
    before = mix_of((0, {"web": 3, "books": 1}))
    after = mix_of((0, {"web": 3, "books": 1}), (1000, {"code": 1}))
    first_block = 1008
    old, new = tokens(stream_of(before), 0, 2000), tokens(stream_of(after), 0, 2000)
    assert old[:first_block] == new[:first_block]
    assert all(token // 1000 == 2 for token in new[first_block:])
    check_change(before, after, 1000)
    with pytest.raises(ProgramError, match="from there or later"):
        check_change(before, after, 1009)
    with pytest.raises(ProgramError, match="put block_tokens back"):
        check_change(before, before.model_copy(update={"block_tokens": 32}), 16)


def test_the_same_shares_in_other_words_are_no_change() -> None:
    in_words = mix_of((0, {"web": 6, "books": 2, "code": 0}), (512, {"web": 3, "books": 1}))
    check_change(mix_of((0, {"web": 3, "books": 1})), in_words, 10**6)


def test_a_resumed_schedule_of_other_batches_loses_and_repeats_no_token() -> None:
    def schedule(num_rows: int, length: int) -> TokenSchedule:
        phase = Phase(from_tokens=0, num_rows=num_rows, sequence_length=length)
        return TokenSchedule(num_tokens=2000, phases=(phase,), learning_rate=1.0)

    stream, read = stream_of(CHANGING), list[int]()
    sittings = ((schedule(4, 16), 10), (schedule(3, 40), 16), (schedule(1, 64), None))
    done = num_tokens = 0
    for told, stopped in sittings:
        reading = Reading(told, done, num_tokens)
        until = reading.num_steps if stopped is None else stopped
        for step in range(done, until):
            phase = reading.phase_at(step)
            rows = stream.rows(reading.tokens_before(step), phase.num_rows, phase.sequence_length)
            read += rows.input_ids_RT.flatten().tolist()
        done, num_tokens = until, reading.tokens_before(until)
    assert read == tokens(stream, 0, len(read))
    assert sum(drawn.tokens for drawn in stream.ledger(num_tokens)) == num_tokens == len(read)


def test_targets_follow_in_the_source_and_attention_stays_in_one_document() -> None:
    rows = stream_of(CHANGING).rows(7, 20, 40)
    for ids, targets, starts, positions in zip(
        rows.input_ids_RT.tolist(),
        rows.targets_RT.tolist(),
        rows.starts_RT.tolist(),
        rows.position_ids_RT.tolist(),
        strict=True,
    ):
        for place, (token, target, start, position) in enumerate(
            zip(ids, targets, starts, positions, strict=True)
        ):
            document = next(document for document in DOCUMENTS if token in document)
            is_last = token == document[-1]
            assert target == (NO_TARGET if is_last else token + 1)
            # What a token sees is the run of its document that stands before it without a break.
            assert ids[start : place + 1] == list(range(ids[start], token + 1)) and position == place - start
            assert ids[start] in document
            if start and ids[start] != document[0]:
                assert ids[start - 1] != ids[start] - 1
    assert rows.num_targets == sum(target != NO_TARGET for row in rows.targets_RT.tolist() for target in row)


def test_documents_of_a_stretch_are_named_by_their_numbers() -> None:
    stream = stream_of(CHANGING)
    read = tokens(stream, 100, 50)
    expected = [
        next(place for place, document in enumerate(DOCUMENTS) if token in document) for token in read
    ]
    assert stream.documents(100, 50) == list(dict.fromkeys(expected))


def test_annealing_takes_the_stead_of_later_phases_from_its_first_token() -> None:
    mix = CHANGING.model_copy(update={"annealing": {"books": 1.0}})
    assert mix.with_annealing(None) == CHANGING
    assert [phase.from_tokens for phase in mix.with_annealing(2000).phases] == [0, 1000, 2000]
    stream = stream_of(mix)
    assert tokens(stream, 0, 3300) == tokens(stream_of(CHANGING), 0, 3300)
    stream.deal_by(mix.with_annealing(2000))
    read = tokens(stream, 2000, 300)
    assert all(token // 1000 == 1 for token in read)


def test_a_mix_by_size_reads_all_sources_equally_often() -> None:
    sizes = {
        name: sum(len(d) for d, s in zip(DOCUMENTS, SOURCE_OF, strict=True) if s == name) for name in SOURCES
    }
    stream = stream_of(proportional_mix({**sizes, "empty": 0}, block_tokens=16))
    epochs = [drawn.epochs for drawn in stream.ledger(50_000)]
    assert max(epochs) == pytest.approx(min(epochs), rel=0.01)


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ([(0, {"a": -1})], "give numbers from 0 on"),
        ([(0, {"a": 0.0})], "one above 0"),
        ([(5, {"a": 1})], "the first must begin at 0"),
        ([(0, {"a": 1}), (0, {"a": 2})], "must rise"),
    ],
)
def test_a_mix_that_makes_no_sense_is_refused(
    told: list[tuple[int, dict[str, float]]], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        mix_of(*told)


def test_a_source_without_documents_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(ProgramError, match=r"'wbe', which has no documents.*books, code, web"):
        stream_of(mix_of((0, {"wbe": 1})))
