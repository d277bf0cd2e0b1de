"""An extended vocabulary: every split of the base stays what it was, other languages gain."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from pretrain.dialog import SPECIAL_TOKENS, DialogEncoder
from pretrain.failures import ProgramError
from pretrain.vocabulary.extension import BaseVocabulary, Growth, write_extension
from pretrain.vocabulary.further_merges import CountedPieces, Ids, Merge, learn_merges, replaced
from pretrain.vocabulary.measuring import change
from tests.pretrain.factories import sentences
from tests.pretrain.vocabulary.texts import base_folder, greek

MIXED = [f"{first} {second}" for first, second in zip(sentences(150, 3), greek(150, 4), strict=True)]
GROWTH = Growth(num_tokens=30, max_change=0.005, min_count=2)


class Extended:
    """A base with its extension."""

    def __init__(self, folder: Path, *, ignore_merges: bool) -> None:
        base_folder(folder / "base")
        path = folder / "base" / "tokenizer.json"
        parsed = json.loads(path.read_text())
        parsed["model"]["ignore_merges"] = ignore_merges
        path.write_text(json.dumps(parsed))
        self.base = BaseVocabulary(folder / "base")
        # Text of both languages, so that pairs across them are merged too.
        self.merges = self.base.learn(MIXED, sentences(50, 5), GROWTH, lambda _: None)
        self.tokenizer = write_extension(self.base, self.merges, folder / "extended")
        self.folder = folder / "extended"
        self.parts = {merge.token: merge.parts for merge in self.merges}

    def written_in_parts(self, ids: list[int]) -> list[int]:
        """The ids with each new token as the base's tokens."""
        return [part for token in ids for part in self.parts.get(token, (token,))]


@pytest.fixture(scope="module", params=[False, True], ids=["merges", "whole pieces first"])
def extended(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Extended:
    """As our own tokenizers are, and as Llama 3's is."""
    return Extended(tmp_path_factory.mktemp("extended"), ignore_merges=request.param)


WORDS = st.text("aeiklmnorstuκαλόςθ λη'.\n0é", max_size=40)


@settings(deadline=None, max_examples=200)
@given(text=st.one_of(WORDS, st.text(max_size=40), st.lists(st.sampled_from(MIXED)).map("".join)))
def test_every_text_is_split_as_before_with_neighbours_joined(extended: Extended, text: str) -> None:
    before = extended.base.tokenizer.encode(text, add_special_tokens=False).ids
    after = extended.tokenizer.encode(text, add_special_tokens=False).ids
    assert extended.written_in_parts(after) == before
    joined = {(merge.left, merge.right) for merge in extended.merges}
    if not joined & set(pairwise(before)):
        assert after == before
    assert extended.tokenizer.decode(after) == extended.base.tokenizer.decode(before)


def test_other_languages_gain_and_the_base_stays(extended: Extended) -> None:
    assert change(extended.base.tokenizer, extended.tokenizer, greek(20, 8)) > 0.5
    assert change(extended.base.tokenizer, extended.tokenizer, sentences(50, 9)) == 0


def test_special_tokens_keep_their_ids_and_new_ones_follow(extended: Extended) -> None:
    encoder = DialogEncoder.from_folder(extended.folder)
    before = DialogEncoder.from_folder(extended.base.folder)
    assert encoder.stop_ids == before.stop_ids and encoder.pad_id == before.pad_id
    for token in SPECIAL_TOKENS:
        assert extended.tokenizer.token_to_id(token) == extended.base.tokenizer.token_to_id(token)
    size = before.vocabulary_size
    assert [merge.token for merge in extended.merges] == list(range(size, size + 30))
    assert encoder.vocabulary_size == size + 30


def test_special_tokens_behind_the_vocabulary_stay_there(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(sentences(100), trainer)
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    ids = {token: 300 + place for place, token in enumerate(SPECIAL_TOKENS)}
    assert {token: tokenizer.token_to_id(token) for token in SPECIAL_TOKENS} == ids
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    base = BaseVocabulary(tmp_path)
    merges = base.learn(greek(100), sentences(50), GROWTH, lambda _: None)
    extended = write_extension(base, merges, tmp_path / "extended")
    assert {token: extended.token_to_id(token) for token in SPECIAL_TOKENS} == ids
    assert merges[0].token == 308
    extended.encode_special_tokens = False
    assert extended.encode("<|eot_id|>").ids == [ids["<|eot_id|>"]]


def learn(gain: dict[Ids, int], leave: dict[Ids, int], max_change: float = 0.0) -> list[Merge]:
    """Merges of a vocabulary a, b, c, ab."""
    return learn_merges(
        gain=CountedPieces(gain),
        leave=CountedPieces(leave),
        texts={0: "a", 1: "b", 2: "c", 3: "ab"},
        first_token=10,
        num_merges=5,
        max_change=max_change,
        min_count=2,
        is_sound=lambda text, parts: True,
        told=lambda _: None,
    )


def test_the_most_frequent_pair_is_merged_first_and_merges_build_on_merges() -> None:
    merges = learn({(2, 2, 1): 5, (2, 2): 1, (2, 0): 3}, {})
    found = [(merge.text, merge.parts) for merge in merges]
    assert found == [("cc", (2, 2)), ("ccb", (2, 2, 1)), ("ca", (2, 0))]


def test_no_merge_makes_a_token_of_the_base_again() -> None:
    assert [merge.text for merge in learn({(0, 1): 9, (1, 2): 2}, {})] == ["bc"]


def test_pairs_of_the_languages_to_leave_alone_are_not_merged() -> None:
    gain: dict[Ids, int] = {(1, 2): 9, (2, 1): 2}
    leave: dict[Ids, int] = {(1, 2): 1, (0, 0): 10}
    assert [merge.text for merge in learn(gain, leave)] == ["cb"]
    assert [merge.text for merge in learn(gain, leave, max_change=0.1)] == ["cb"]
    assert [merge.text for merge in learn(gain, leave, max_change=0.2)] == ["bc", "cb"]


def test_repeated_tokens_are_replaced_from_the_left() -> None:
    assert replaced([1, 1, 1, 2, 1, 1], (1, 1), 7) == [7, 1, 2, 7]


def test_a_base_that_is_not_byte_level_is_refused(tmp_path: Path) -> None:
    tokenizer = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ProgramError, match="only byte-level BPE"):
        BaseVocabulary(tmp_path)
    tokenizer = Tokenizer(models.BPE({"a": 0, "b": 1, "ab": 2}, [("a", "b")]))
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ProgramError, match=r"no byte-level tokenizer \(it lacks 254 of 256 bytes\)"):
        BaseVocabulary(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ProgramError, match="copy it again"):
        BaseVocabulary(tmp_path)
    with pytest.raises(ProgramError, match="give the folder of a tokenizer"):
        BaseVocabulary(tmp_path / "nowhere")
