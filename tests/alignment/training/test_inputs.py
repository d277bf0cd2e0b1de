"""What a training program does with its records: rows, what is too long, and a sentence for what is wrong."""

from collections.abc import Callable
from pathlib import Path

import pytest

from alignment.records import SftExample
from alignment.training.inputs import preference_inputs, sft_inputs
from annotation.records import Message, write_records
from pretrain.dialog import DialogEncoder
from pretrain.run import ProgramError
from tests.alignment.training.factories import (
    make_preference,
    make_preferences,
    make_sft_examples,
    make_tokenizer,
)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> DialogEncoder:
    return DialogEncoder.from_folder(make_tokenizer(tmp_path_factory.mktemp("tokenizer")))


def test_a_judgement_becomes_a_row_of_its_ranked_responses(encoder: DialogEncoder, tmp_path: Path) -> None:
    record = make_preference(1, "red red", "blue", "green")
    write_records(tmp_path / "train.jsonl", [record])
    [row] = preference_inputs(tmp_path / "train.jsonl", encoder, 100).rows
    assert row.context == encoder.encode_context(record.context)
    assert [encoder.decode(tokens) for tokens in row.responses] == ["red red", "blue", "green"]
    assert all(tokens[-1] == encoder.eot_id for tokens in row.responses)
    assert all(mask == [False] * (len(mask) - 1) + [True] for mask in row.format_masks)


def test_rows_that_are_too_long_are_left_out_and_counted(encoder: DialogEncoder, tmp_path: Path) -> None:
    records = [*make_preferences(3), make_preference(4, "stone " * 60, "bird")]
    write_records(tmp_path / "train.jsonl", records)
    inputs = preference_inputs(tmp_path / "train.jsonl", encoder, 50)
    assert inputs.num_skipped == 1
    assert [record.id for record in inputs.records] == [record.id for record in records[:3]]
    assert len(inputs.rows) == 3


def test_records_that_are_all_too_long_are_refused(encoder: DialogEncoder, tmp_path: Path) -> None:
    write_records(tmp_path / "train.jsonl", make_sft_examples(2))
    with pytest.raises(
        ProgramError, match=r"All 2 examples of .* are longer than 16 tokens: raise max_row_tokens"
    ):
        sft_inputs(tmp_path / "train.jsonl", encoder, 16)


def write_lines(*lines: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes("\n".join(lines).encode("latin-1"))

    return write


GOOD = make_preference(1, "red", "blue").model_dump_json()
ONE_RESPONSE = make_preference(1, "red", "blue").model_copy(
    update={"responses": make_preference(1, "red", "blue").responses[:1]}
)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda path: None, r"There is no .*train.jsonl: give the path of a JSONL file"),
        (write_lines("", " "), r"train.jsonl holds no records: collect some before training"),
        (write_lines(GOOD, "{"), r"train.jsonl, line 2: .*Invalid JSON"),
        (
            write_lines(GOOD, "", GOOD.replace("better", "best")),
            r"train.jsonl, line 3: strength: Input should be",
        ),
        (write_lines(GOOD.replace('"round":1,', "")), r"train.jsonl, line 1: round: Field required"),
        (
            write_lines(ONE_RESPONSE.model_dump_json()),
            r"line 1: a preference record needs at least two responses",
        ),
        (write_lines(GOOD, "\xff\xfe"), r"train.jsonl is not UTF-8 text: convert it first"),
    ],
    ids=["no file", "blank", "cut off", "unknown strength", "no round", "one response", "not UTF-8"],
)
def test_bad_records_get_their_sentence(
    encoder: DialogEncoder, tmp_path: Path, make: Callable[[Path], None], sentence: str
) -> None:
    make(tmp_path / "train.jsonl")
    with pytest.raises(ProgramError, match=sentence):
        preference_inputs(tmp_path / "train.jsonl", encoder, 100)


def test_an_empty_response_is_its_ending_alone(encoder: DialogEncoder, tmp_path: Path) -> None:
    [example] = make_sft_examples(1)
    write_records(
        tmp_path / "train.jsonl", [SftExample.model_validate({**example.model_dump(), "response": ""})]
    )
    [row] = sft_inputs(tmp_path / "train.jsonl", encoder, 100).rows
    assert row.responses == [[encoder.eot_id]]


def test_a_turn_with_a_tool_call_is_learned_message_by_message(
    encoder: DialogEncoder, tmp_path: Path
) -> None:
    (plain,) = make_sft_examples(1)
    call = Message(role="assistant", content="go()", tool_call=True)
    answer = Message(role="ipython", content="1")
    more = Message(role="assistant", content="Let me see.")
    example = plain.model_copy(update={"turn": (call, answer, more)})
    write_records(tmp_path / "train.jsonl", [example])

    inputs = sft_inputs(tmp_path / "train.jsonl", encoder, 512)

    assert inputs.records == [example] * 3
    contexts = [example.context, (*example.context, call, answer), (*example.context, call, answer, more)]
    assert [row.context for row in inputs.rows] == [encoder.encode_context(context) for context in contexts]
    assert [row.responses[0][-1] for row in inputs.rows] == [encoder.eom_id, encoder.eom_id, encoder.eot_id]
    last = Message(role="assistant", content=example.response)
    turn = encoder.encode_turn([call, answer, more, last])
    assert inputs.rows[0].context + turn.ids == inputs.rows[2].context + inputs.rows[2].responses[0]
    learned = [i for i, is_learned in zip(turn.ids, turn.learned, strict=True) if is_learned]
    assert learned == [i for row in inputs.rows for i in row.responses[0]]
