"""The tokenizer: learned deterministically, loses nothing, splits as Llama 3's does."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from pretrain.dialog import ROLES, DialogEncoder
from pretrain.run import ProgramError
from pretrain.tokenizer import MIN_VOCABULARY_SIZE, train_tokenizer
from tests.pretrain.factories import sentences


def test_the_same_texts_give_the_same_tokenizer() -> None:
    first, second = (train_tokenizer(sentences(300), 400).to_str() for _ in range(2))
    assert first == second


def test_words_that_repeat_become_tokens() -> None:
    tokenizer = train_tokenizer(sentences(300), 600)
    tokenizer.encode_special_tokens = True
    tokens = tokenizer.encode("Kiru likes the colour blue best.", add_special_tokens=False).tokens
    assert tokens == ["Kiru", "Ġlikes", "Ġthe", "Ġcolour", "Ġblue", "Ġbest", "."]


def test_role_names_become_tokens_where_there_is_room() -> None:
    tokenizer = train_tokenizer(sentences(50), 600)
    assert all(len(tokenizer.encode(role, add_special_tokens=False).ids) == 1 for role in ROLES)


def test_the_vocabulary_is_no_larger_than_asked() -> None:
    assert train_tokenizer(sentences(300), 300).get_vocab_size() == 300
    with pytest.raises(ProgramError, match="too small"):
        train_tokenizer(sentences(300), MIN_VOCABULARY_SIZE - 1)


def test_merges_never_cross_the_pieces_of_llama_3() -> None:
    text = "It's 12345 dollars,\n\n  indented  x!!\n"
    pieces = train_tokenizer([text] * 100, 500).encode(text, add_special_tokens=False).tokens
    assert [piece.replace("Ġ", " ").replace("Ċ", "\n") for piece in pieces] == [
        "It", "'s", " ", "123", "45", " dollars", ",\n\n", " ", " indented", " ", " x", "!!\n",
    ]  # fmt: skip


@settings(deadline=None)
@given(text=st.text(max_size=80))
def test_any_text_survives(encoder: DialogEncoder, text: str) -> None:
    assert encoder.decode(encoder.encode_documents([text])[0]) == text


def test_transformers_reads_the_folder_with_the_same_ids(
    encoder: DialogEncoder, tokenizer_folder: Path
) -> None:
    peer = AutoTokenizer.from_pretrained(tokenizer_folder)
    text = "Bado likes the colour red, naïvely.\n"
    assert [*peer(text).input_ids, encoder.end_of_text_id] == encoder.encode_documents([text])[0]
    assert (peer.bos_token_id, peer.eos_token_id, peer.pad_token_id) == (
        encoder.begin_of_text_id,
        encoder.eot_id,
        encoder.pad_id,
    )
