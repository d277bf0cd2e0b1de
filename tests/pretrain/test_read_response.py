"""Generated ids are read back as the response that would be encoded so, and anything else is told."""

from pathlib import Path

import pytest

from pretrain.dialog import DialogEncoder, ReadResponse
from pretrain.foreign_dialog import TemplateEncoder
from tests.pretrain.foreign_folders import FAMILIES, Family, family, make_foreign_folder


@pytest.mark.parametrize("tool_call", [False, True])
@pytest.mark.parametrize("content", ["It is 1.", "", "<|eot_id|> is text\n", "naïve 🙂"])
def test_what_was_encoded_is_read_back(encoder: DialogEncoder, content: str, tool_call: bool) -> None:
    ids, _ = encoder.encode_response(content, tool_call=tool_call)
    expected = ReadResponse(content=content, tool_call=tool_call, well_formed=True)
    assert encoder.read_response(ids) == expected
    assert encoder.read_response(ids[:-1]) == expected


def test_a_base_that_ends_the_text_has_answered(encoder: DialogEncoder) -> None:
    ids, _ = encoder.encode_response("Yes.")
    assert encoder.read_response([*ids[:-1], encoder.end_of_text_id]).well_formed


def test_what_no_response_is_encoded_to_is_malformed(encoder: DialogEncoder) -> None:
    answer = encoder.encode_response("Yes.")[0]
    call = encoder.encode_response("go()", tool_call=True)[0]
    tag = call[0]
    header = encoder.encode_context([])[1]
    for ids in (
        [*answer[:-1], encoder.eom_id],
        [*call[:-1], encoder.eot_id],
        [*answer[:-1], tag, *answer],
        [tag, *call],
        [header, *answer],
    ):
        assert not encoder.read_response(ids).well_formed, ids
    assert encoder.read_response([*answer[:-1], tag, *answer]).content == "Yes.Yes."


@pytest.mark.parametrize("kind", FAMILIES, ids=lambda kind: kind.name)
def test_an_answer_in_someone_elses_form_is_read_back(kind: Family, tmp_path: Path) -> None:
    encoder = TemplateEncoder.from_folder(make_foreign_folder(tmp_path, kind))
    ids, _ = encoder.encode_response("It is 1.")
    assert encoder.read_response(ids).well_formed
    assert not encoder.read_response([*ids, *ids]).well_formed


def test_a_tool_call_in_someone_elses_form_is_no_answer(tmp_path: Path) -> None:
    folder = make_foreign_folder(tmp_path, family("llama"))
    encoder, ours = TemplateEncoder.from_folder(folder), DialogEncoder.from_folder(folder)
    answer, call = ours.encode_response("go()")[0], ours.encode_response("go()", tool_call=True)[0]
    assert encoder.read_response(answer).well_formed
    assert not encoder.read_response(call).well_formed
    assert not encoder.read_response([*answer[:-1], call[-1]]).well_formed
