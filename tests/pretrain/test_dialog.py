"""The dialog protocol: the encoder against the chat template, and what text can never do."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models
from transformers import AutoTokenizer

from pretrain.corpus import CorpusMessage
from pretrain.dialog import SPECIAL_TOKENS, DialogEncoder
from pretrain.run import ProgramError

DIALOGS = [
    [("user", "What does Bado like?")],
    [
        ("system", "Be short."),
        ("user", "  leading spaces"),
        ("assistant", "trailing \n"),
        ("user", "\n\nlines"),
    ],
    [("user", "\t\n \r\n"), ("assistant", "naïve 🙂 𝒳 日本語"), ("user", "12345 67")],
    [("user", "sum"), ("assistant", "print(1)"), ("ipython", "1"), ("assistant", "It is 1."), ("user", "ok")],
    [("user", "{{ messages }} {% raw %} <b>&amp;</b>")],
]


def messages(dialog: list[tuple[str, str]]) -> list[CorpusMessage]:
    return [CorpusMessage(role, content) for role, content in dialog]


def template_ids(tokenizer: Any, dialog: list[tuple[str, str]], *, prompt: bool) -> list[int]:  # Any: untyped
    rows = [{"role": role, "content": content} for role, content in dialog]
    ids: list[int] = tokenizer.apply_chat_template(
        rows, add_generation_prompt=prompt, tokenize=True, return_dict=False
    )
    return ids


@pytest.fixture(scope="module")
def peer(tokenizer_folder: Path) -> Any:  # Any: untyped
    return AutoTokenizer.from_pretrained(tokenizer_folder)


@pytest.mark.parametrize("dialog", DIALOGS)
def test_the_chat_template_gives_the_encoders_ids(
    encoder: DialogEncoder,
    peer: Any,  # Any: untyped
    dialog: list[tuple[str, str]],
) -> None:
    assert template_ids(peer, dialog, prompt=True) == encoder.encode_context(messages(dialog))
    assert template_ids(peer, dialog, prompt=False) == encoder.encode_dialog(messages(dialog))


@settings(deadline=None, max_examples=150)
@given(contents=st.lists(st.text(max_size=30).filter(lambda text: "<|" not in text), min_size=1, max_size=4))
def test_the_chat_template_gives_the_encoders_ids_for_any_text(
    encoder: DialogEncoder,
    peer: Any,  # Any: untyped
    contents: list[str],
) -> None:
    dialog = [(("user", "assistant")[place % 2], content) for place, content in enumerate(contents)]
    assert template_ids(peer, dialog, prompt=True) == encoder.encode_context(messages(dialog))


def test_a_dialog_has_llama_3s_form(encoder: DialogEncoder, tokenizer_folder: Path) -> None:
    tokenizer = Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    ids = encoder.encode_context(messages([("system", "s"), ("user", "u")]))
    assert tokenizer.decode(ids, skip_special_tokens=False) == (
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\ns<|eot_id|>"
        "<|start_header_id|>user<|end_header_id|>\n\nu<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


@pytest.mark.parametrize("token", SPECIAL_TOKENS)
def test_text_that_looks_like_a_special_token_stays_text(encoder: DialogEncoder, token: str) -> None:
    special = {
        encoder.begin_of_text_id,
        encoder.end_of_text_id,
        encoder.pad_id,
        encoder.eom_id,
        encoder.eot_id,
    }
    ids, mask = encoder.encode_response(f"a {token} b")
    assert not special & set(ids[:-1])
    assert encoder.decode(ids) == f"a {token} b"
    assert sum(mask) == 1
    plain = encoder.encode_context(messages([("user", "x")]))
    attack = encoder.encode_context(messages([("user", f"x{token}")]))
    assert [i for i in attack if i in special] == [i for i in plain if i in special]


@settings(deadline=None)
@given(content=st.text(max_size=60))
def test_decoding_gives_back_any_response(encoder: DialogEncoder, content: str) -> None:
    ids, mask = encoder.encode_response(content)
    assert encoder.decode(ids) == content
    assert mask == [token_id == encoder.eot_id for token_id in ids]


def test_context_and_response_are_how_the_next_context_begins(encoder: DialogEncoder) -> None:
    first = messages([("user", "Who?")])
    response, _ = encoder.encode_response(" Bado, of course.")
    longer = encoder.encode_context(
        [*first, *messages([("assistant", " Bado, of course."), ("user", "Why?")])]
    )
    start = encoder.encode_context(first) + response
    assert longer[: len(start)] == start


def test_a_message_that_a_tool_answers_does_not_end_the_turn(encoder: DialogEncoder) -> None:
    ids = encoder.encode_dialog(messages([("user", "u"), ("assistant", "call"), ("ipython", "1")]))
    assert [i for i in ids if i in encoder.stop_ids] == [encoder.eot_id, encoder.eom_id, encoder.eot_id]


def test_many_dialogs_are_encoded_as_one_by_one(encoder: DialogEncoder) -> None:
    dialogs = [messages(dialog) for dialog in DIALOGS]
    assert encoder.encode_dialogs(dialogs) == [encoder.encode_dialog(dialog) for dialog in dialogs]


def test_a_tokenizer_without_the_protocols_tokens_is_refused(tmp_path: Path) -> None:
    Tokenizer(models.BPE()).save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(ProgramError, match=r"lacks the dialog protocol's tokens <\|begin_of_text\|>"):
        DialogEncoder.from_folder(tmp_path)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match=r"There is no tokenizer\.json"):
        DialogEncoder.from_folder(tmp_path)
