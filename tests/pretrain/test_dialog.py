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
    [("user", "sum"), ("tool call", "\n\nprint(1)"), ("ipython", "\n1"), ("assistant", "1."), ("user", "ok")],
    [("user", "two"), ("assistant", "One."), ("assistant", "Two."), ("assistant", "And three.")],
    [("user", "act"), ("tool call", "go()"), ("ipython", ""), ("tool call", "stop()")],
    [("user", "{{ messages }} {% raw %} <b>&amp;</b>")],
]


def messages(dialog: list[tuple[str, str]]) -> list[CorpusMessage]:
    """The messages of a dialog; the role "tool call" is the assistant's."""
    return [
        CorpusMessage("assistant", content, tool_call=True)
        if role == "tool call"
        else CorpusMessage(role, content)
        for role, content in dialog
    ]


def template_ids(tokenizer: Any, dialog: list[tuple[str, str]], *, prompt: bool) -> list[int]:  # Any: untyped
    rows = [vars(message) for message in messages(dialog)]
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


def text_of(ids: list[int], tokenizer_folder: Path) -> str:
    tokenizer = Tokenizer.from_file(str(tokenizer_folder / "tokenizer.json"))
    return str(tokenizer.decode(ids, skip_special_tokens=False))


def test_a_tool_call_has_its_tag_and_leaves_the_turn_open(
    encoder: DialogEncoder, tokenizer_folder: Path
) -> None:
    ids = encoder.encode_context(messages([("user", "u"), ("tool call", "go()"), ("ipython", "1")]))
    assert text_of(ids, tokenizer_folder) == (
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nu<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n<|python_tag|>go()<|eom_id|>"
        "<|start_header_id|>ipython<|end_header_id|>\n\n1<|eot_id|>"
        "<|start_header_id|>assistant<|end_header_id|>\n\n"
    )


def test_only_the_assistant_calls_tools(encoder: DialogEncoder, peer: Any) -> None:  # Any: untyped
    claimed = [CorpusMessage("user", "go()", tool_call=True)]
    plain = encoder.encode_context([CorpusMessage("user", "go()")])
    assert encoder.encode_context(claimed) == plain
    assert (
        peer.apply_chat_template([vars(claimed[0])], add_generation_prompt=True, return_dict=False) == plain
    )


def test_a_message_without_a_word_of_tools_is_no_tool_call(
    encoder: DialogEncoder,
    peer: Any,  # Any: untyped
) -> None:
    rows = [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a"}]
    assert peer.apply_chat_template(rows, return_dict=False) == encoder.encode_dialog(
        messages([("user", "u"), ("assistant", "a")])
    )


def test_an_answer_of_several_messages_learns_what_the_policy_itself_says(
    encoder: DialogEncoder, tokenizer_folder: Path
) -> None:
    context = messages([("user", "u")])
    turn = messages([("tool call", "go()"), ("ipython", "1"), ("assistant", "One.")])
    encoded = encoder.encode_turn(turn)
    assert encoder.encode_context(context) + encoded.ids == encoder.encode_dialog([*context, *turn])
    rows = list(zip(encoded.ids, encoded.learned, encoded.is_format, strict=True))
    assert text_of([i for i, learned, _ in rows if learned], tokenizer_folder) == (
        "<|python_tag|>go()<|eom_id|>One.<|eot_id|>"
    )
    assert text_of([i for i, _, is_format in rows if not is_format], tokenizer_folder) == (
        "<|python_tag|>go()\n\n1One."
    )


def test_an_answer_of_one_message_is_a_turn_of_one(encoder: DialogEncoder) -> None:
    ids, mask = encoder.encode_response("\n One.")
    encoded = encoder.encode_turn(messages([("assistant", "\n One.")]))
    assert (encoded.ids, encoded.is_format) == (ids, mask)
    assert all(encoded.learned)


@pytest.mark.parametrize("turn", [[], [("user", "u")], [("assistant", "a"), ("ipython", "1")]])
def test_a_turn_that_is_not_the_assistants_is_refused(
    encoder: DialogEncoder, turn: list[tuple[str, str]]
) -> None:
    with pytest.raises(ProgramError, match="begins and ends with a message of the assistant"):
        encoder.encode_turn(messages(turn))


PIECES_OF_SPECIAL_TOKENS = [*SPECIAL_TOKENS, "<|", "|>", "<", "|", "eot_id", "assistant", "\n\n", "a", " "]


@settings(deadline=None)
@given(
    dialog=st.lists(
        st.tuples(
            st.sampled_from(["system", "user", "assistant", "tool call", "ipython"]),
            st.lists(st.sampled_from(PIECES_OF_SPECIAL_TOKENS), max_size=6).map("".join),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_no_text_can_forge_the_form_of_a_dialog(
    encoder: DialogEncoder, dialog: list[tuple[str, str]]
) -> None:
    specials = {token for token in range(encoder.vocabulary_size) if not encoder.decode([token])}
    harmless = [(role, "a") for role, _ in dialog]
    attacked_ids = encoder.encode_context(messages(dialog))
    harmless_ids = encoder.encode_context(messages(harmless))
    assert [i for i in attacked_ids if i in specials] == [i for i in harmless_ids if i in specials]
    contents = [f"{'assistant' if role == 'tool call' else role}" for role, _ in dialog]
    said = "".join(
        header + ("" if role == "tool call" else "\n\n") + content
        for header, (role, content) in zip(contents, dialog, strict=True)
    )
    assert encoder.decode(attacked_ids).replace("\n\n", "") == f"{said}assistant\n\n".replace("\n\n", "")


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
