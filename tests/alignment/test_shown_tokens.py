"""Examples token by token: kinds, texts that can be seen, long parts, and lines of files."""

import gzip
from pathlib import Path

import pytest
from tokenizers import pre_tokenizers

from alignment.encoding import encode_preference, encode_sft
from alignment.examples import read_example
from alignment.records import PromptRecord, SftExample
from alignment.shown_tokens import Kind, ShownPart, shown_parts, visible
from annotation.records import Message, PreferenceRecord, write_records
from pretrain.dialog import BYTE_LETTERS
from pretrain.encoders import Encoder, encoder_for
from pretrain.run import ProgramError
from tests.alignment.sampling.factories import make_preferences, make_prompts, make_tokenizer
from tests.pretrain.foreign_folders import FAMILIES, family, make_foreign_folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return encoder_for(make_tokenizer(tmp_path_factory.mktemp("shown") / "tokenizer"))


def text_of(part: ShownPart, *kinds: Kind) -> str:
    """The part's text, or that of some kinds alone."""
    tokens = [*part.beginning, *part.end]
    return "".join(token.text for token in tokens if not kinds or token.kind in kinds)


def test_a_judgement_is_a_context_and_its_answers_best_first(encoder: Encoder) -> None:
    (record,) = make_preferences(1)
    context, chosen, rejected = shown_parts(record, encoder)
    assert [part.title for part in (context, chosen, rejected)] == [
        "Context",
        "Answer 1: chosen",
        "Answer 2: rejected",
    ]
    assert text_of(context).endswith("<|eot_id|><|start_header_id|>assistant<|end_header_id|>↵\n↵\n")
    assert text_of(context) == text_of(context, Kind.CONTEXT)
    assert text_of(chosen, Kind.RESPONSE) == "It is so."
    assert text_of(chosen, Kind.FORMAT) == "<|eot_id|>"
    assert rejected.num_of_kind == {Kind.RESPONSE: len("No, prompt-0!"), Kind.FORMAT: 1}
    encoded = encode_preference(record, encoder)
    assert [[token.id for token in part.beginning] for part in (context, chosen, rejected)] == [
        encoded.context,
        *encoded.responses,
    ]


def test_an_answer_that_calls_a_tool_begins_with_its_tag_and_its_turn_goes_on(encoder: Encoder) -> None:
    (record,) = make_preferences(1)
    call = record.responses[0].model_copy(update={"content": "go()", "tool_call": True})
    record = record.model_copy(update={"responses": (call, *record.responses[1:])})
    _, chosen, rejected = shown_parts(record, encoder)
    assert (text_of(chosen, Kind.RESPONSE), text_of(chosen, Kind.FORMAT)) == (
        "<|python_tag|>go()",
        "<|eom_id|>",
    )
    assert text_of(rejected, Kind.FORMAT) == "<|eot_id|>"


def test_of_an_sft_example_all_is_learned_that_its_rows_learn(encoder: Encoder) -> None:
    turn = [
        Message(role="assistant", content="go()", tool_call=True),
        Message(role="ipython", content="1"),
    ]
    example = SftExample(
        id="e",
        source="imported",
        context=(Message(role="user", content="Go."),),
        turn=tuple(turn),
        response="Done.",
    )
    _, answer = shown_parts(example, encoder)
    assert text_of(answer, Kind.RESPONSE) == "<|python_tag|>go()Done."
    assert text_of(answer, Kind.FORMAT) == "<|eom_id|><|eot_id|>"
    learned = [token.id for token in answer.beginning if token.kind != Kind.CONTEXT]
    assert learned == [token for row in encode_sft(example, encoder) for token in row.responses[0]]


def test_a_prompt_is_context_alone(encoder: Encoder) -> None:
    (part,) = shown_parts(make_prompts(1)[0], encoder)
    assert set(part.num_of_kind) == {Kind.CONTEXT}


@pytest.mark.parametrize("name", [kind.name for kind in FAMILIES])
def test_templates_of_others_are_shown_with_their_own_special_tokens(tmp_path: Path, name: str) -> None:
    (record,) = make_preferences(1)
    context, chosen, _ = shown_parts(record, encoder_for(make_foreign_folder(tmp_path, family(name))))
    special = family(name).special
    assert any(token.text in special for token in context.beginning)
    assert chosen.beginning[-1].text in special
    assert text_of(chosen, Kind.RESPONSE).strip() == "It is so."
    assert "\ue002" not in text_of(context)


def test_the_middle_of_a_long_part_is_left_out(encoder: Encoder) -> None:
    prompt = PromptRecord(
        id="p", domain="d", language="en", context=(Message(role="user", content="word " * 100),)
    )
    (part,) = shown_parts(prompt, encoder, most_tokens=20)
    assert (len(part.beginning), len(part.end)) == (10, 10)
    assert part.num_left_out == part.num_tokens - 20 > 400
    assert part.beginning[0].text == "<|begin_of_text|>"


def test_parts_of_a_character_are_shown_as_their_bytes(encoder: Encoder) -> None:
    prompt = PromptRecord(id="p", domain="d", language="en", context=(Message(role="user", content="ä €"),))
    (part,) = shown_parts(prompt, encoder)
    assert "<0xC3><0xA4> <0xE2><0x82><0xAC><|eot_id|>" in text_of(part)


def test_every_byte_has_the_letter_that_tokenizers_write_for_it() -> None:
    assert set(BYTE_LETTERS) == set(pre_tokenizers.ByteLevel.alphabet())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    for character in map(chr, range(1, 0x800)):
        ((written, _),) = byte_level.pre_tokenize_str(character)
        assert bytes(BYTE_LETTERS[letter] for letter in written) == character.encode()


def test_what_cannot_be_seen_is_written_as_its_code() -> None:
    assert visible("a\nb") == "a↵\nb"
    assert visible("\x1b[31m\r\x07\u202e\u2028\ufeff") == "⟨001B⟩[31m⟨000D⟩⟨0007⟩⟨202E⟩⟨2028⟩⟨FEFF⟩"
    assert visible("naïve 日本 🙂\u00a0") == "naïve 日本 🙂\u00a0"


def test_a_line_of_a_file_is_told_apart_by_its_fields(tmp_path: Path) -> None:
    (judgement,), (prompt,) = make_preferences(1), make_prompts(1)
    example = SftExample(id="e", source="edited", context=prompt.context, response="So.")
    write_records(tmp_path / "mixed.jsonl", [judgement, example, prompt])
    found = [read_example(tmp_path / "mixed.jsonl", line) for line in (1, 2, 3)]
    assert found == [judgement, example, prompt]
    assert isinstance(found[0], PreferenceRecord)
    with gzip.open(tmp_path / "mixed.jsonl.gz", "wb") as out:
        out.write((tmp_path / "mixed.jsonl").read_bytes())
    assert read_example(tmp_path / "mixed.jsonl.gz", 2) == example


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b"{", "line 1: the line is no JSON"),
        (b"[]", "line 1: the line is no example"),
        (b'{"text": "a"}', "give a preference record, an SFT example or a prompt"),
        (b'{"context": [], "response": 1}', r"line 1: (id|source): Field required"),
        (b"\xff", "line 1: 'utf-8' codec"),
        (b"", "has 0 lines"),
    ],
)
def test_a_line_that_is_no_example_is_refused_in_a_sentence(
    tmp_path: Path, line: bytes, sentence: str
) -> None:
    (tmp_path / "rows.jsonl").write_bytes(line)
    with pytest.raises(ProgramError, match=sentence):
        read_example(tmp_path / "rows.jsonl", 1)


def test_files_that_cannot_be_read_are_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ProgramError, match="give the path of a JSONL file"):
        read_example(tmp_path / "none.jsonl", 1)
    (tmp_path / "rows.jsonl").write_text("{}\n{}\n")
    with pytest.raises(ProgramError, match="has 2 lines: choose a line from 1 to 2"):
        read_example(tmp_path / "rows.jsonl", 0)
    (tmp_path / "rows.jsonl.gz").write_text("{}")
    with pytest.raises(ProgramError, match="damaged gzip file"):
        read_example(tmp_path / "rows.jsonl.gz", 1)
