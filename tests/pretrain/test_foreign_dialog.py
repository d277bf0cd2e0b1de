"""Other people's chat templates: the ids are the template's own, the masks are right, the rest is refused."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from pretrain.chat_template import TODAY
from pretrain.corpus import CorpusMessage
from pretrain.dialog import DialogEncoder
from pretrain.encoders import encoder_for
from pretrain.foreign_dialog import TemplateEncoder
from pretrain.run import ProgramError
from tests.pretrain.factories import make_tokenizer_folder
from tests.pretrain.foreign_folders import (
    CHATML,
    FAMILIES,
    LLAMA_TOKENS,
    MISTRAL,
    THINKING,
    Family,
    family,
    make_foreign_folder,
)

Dialog = Sequence[tuple[str, str]]


class Speaker:
    """A family's encoder, and transformers' tokenizer of the same folder."""

    def __init__(self, folder: Path, kind: Family) -> None:
        self.kind = kind
        self.folder = make_foreign_folder(folder, kind)
        self.encoder = TemplateEncoder.from_folder(self.folder)
        self.peer: Any = AutoTokenizer.from_pretrained(self.folder)  # Any: untyped

    def template_ids(self, dialog: Dialog, *, prompt: bool) -> list[int]:
        """What transformers makes of the dialog."""
        ids: list[int] = self.peer.apply_chat_template(
            [{"role": role, "content": content} for role, content in dialog],
            add_generation_prompt=prompt,
            return_dict=False,
            strftime_now=TODAY.strftime,
        )
        return ids

    def text(self, ids: Sequence[int]) -> str:
        """The ids as text, special tokens included."""
        return str(self.peer.decode(ids, skip_special_tokens=False))


@pytest.fixture(scope="module")
def speakers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Speaker]:
    root = tmp_path_factory.mktemp("families")
    return {kind.name: Speaker(root / kind.name, kind) for kind in FAMILIES}


def messages(dialog: Dialog) -> list[CorpusMessage]:
    return [CorpusMessage(role, content) for role, content in dialog]


def variant(folder: Path, kind: Family, template: str, **settings: Any) -> Path:  # Any: JSON
    """A folder of the family with another template."""
    return make_foreign_folder(folder, kind, chat_template=template, **settings)


every_family = pytest.mark.parametrize("name", [kind.name for kind in FAMILIES])


@every_family
def test_a_folder_with_a_template_of_its_own_is_read_by_it(name: str, speakers: dict[str, Speaker]) -> None:
    encoder = encoder_for(speakers[name].folder)
    assert isinstance(encoder, TemplateEncoder)
    encoder.check(speakers[name].folder)


@every_family
@settings(deadline=None, max_examples=20)
@given(contents=st.lists(st.text(max_size=20).filter(lambda text: not set("<[") & set(text)), max_size=4))
def test_the_ids_are_the_templates_own_for_any_harmless_text(
    name: str, speakers: dict[str, Speaker], contents: list[str]
) -> None:
    speaker = speakers[name]
    roles = ("user", "assistant")
    dialog = [("user", "x"), ("assistant", "y")]
    dialog += [(roles[place % 2], content) for place, content in enumerate(contents)]
    if len(contents) % 2 == 0:
        dialog.append(("user", "z"))
    assert speaker.encoder.encode_context(messages(dialog)) == speaker.template_ids(dialog, prompt=True)
    assert speaker.encoder.encode_dialog(messages(dialog)) == speaker.template_ids(dialog, prompt=False)


@every_family
@settings(deadline=None, max_examples=25)
@given(content=st.text(max_size=30).filter(lambda text: not set("<[") & set(text)))
def test_a_context_and_its_answer_are_how_the_template_writes_both(
    name: str, speakers: dict[str, Speaker], content: str
) -> None:
    speaker = speakers[name]
    dialog = [("user", "What does Bado like?")]
    context = speaker.encoder.encode_context(messages(dialog))
    ids, is_format = speaker.encoder.encode_response(content, context=messages(dialog))
    whole = speaker.template_ids([*dialog, ("assistant", content)], prompt=False)
    if whole[: len(context)] == context:
        assert whole[: len(context) + len(ids)] == context + ids
    # Else the answer starts with line feeds that would melt into the context's own.
    assert speaker.text(whole).startswith(speaker.text(context + ids))
    assert ids[-1] in speaker.encoder.stop_ids
    assert is_format[-1]
    said = speaker.text([token for token, form in zip(ids, is_format, strict=True) if not form])
    assert said.split() == content.split()
    assert speaker.encoder.decode(ids[-1:]) == ""


@every_family
@settings(deadline=None, max_examples=25)
@given(data=st.data())
def test_text_that_looks_like_a_special_token_stays_text(
    name: str, speakers: dict[str, Speaker], data: st.DataObject
) -> None:
    speaker = speakers[name]
    pieces = [
        *speaker.kind.special,
        "a",
        " ",
        "\n",
        "<",
        "|>",
        "\ue000",
        "\ue0010",
        "\ue0001\ue001",
        "\ue002",
    ]
    contents = st.lists(st.sampled_from(pieces), min_size=1, max_size=5).map("".join)
    asked, answered, again = (data.draw(contents) for _ in range(3))
    attacked = [("user", asked), ("assistant", answered), ("user", again)]
    harmless = [("user", "a"), ("assistant", "a"), ("user", "a")]
    special = set(speaker.peer.convert_tokens_to_ids(speaker.kind.special))
    ids = speaker.encoder.encode_context(messages(attacked))
    plain = speaker.encoder.encode_context(messages(harmless))
    assert [i for i in ids if i in special] == [i for i in plain if i in special]
    for content in (asked, answered, again):
        assert "".join(content.split()) in "".join(speaker.text(ids).split())
    response, is_format = speaker.encoder.encode_response(answered, context=messages([("user", asked)]))
    assert [i for i in response if i in special] == [response[-1]]
    said = speaker.text([token for token, form in zip(response, is_format, strict=True) if not form])
    assert "".join(said.split()) == "".join(answered.split())


def test_without_a_system_role_its_message_goes_before_the_first_words(speakers: dict[str, Speaker]) -> None:
    speaker = speakers["gemma"]
    asked = messages([("system", "Be brief."), ("user", "Why?"), ("assistant", "So."), ("user", "And?")])
    expected = [("user", "Be brief.\n\nWhy?"), ("assistant", "So."), ("user", "And?")]
    assert speaker.encoder.encode_context(asked) == speaker.template_ids(expected, prompt=True)
    alone = messages([("system", "Be brief.")])
    assert speaker.encoder.encode_context(alone) == speaker.template_ids([("user", "Be brief.")], prompt=True)
    with_role = speakers["mistral"].encoder.encode_context(asked)
    assert "[INST] Be brief.\n\nWhy?[/INST]" in speakers["mistral"].text(with_role)


def test_a_system_message_that_the_template_would_move_goes_before_the_first_words(tmp_path: Path) -> None:
    moved = MISTRAL.replace("first if loop.first", "first if loop.last")
    encoder = TemplateEncoder.from_folder(variant(tmp_path / "moved", family("mistral"), moved))
    plain = TemplateEncoder.from_folder(make_foreign_folder(tmp_path / "plain", family("mistral")))
    asked = messages([("system", "Be brief."), ("user", "Why?"), ("assistant", "So."), ("user", "And?")])
    assert encoder.encode_context(asked) == plain.encode_context(asked)
    assert encoder.encode_response("Yes.", context=asked) == plain.encode_response("Yes.", context=asked)


def test_an_answer_that_the_template_begins_with_a_thought_goes_on_from_there(tmp_path: Path) -> None:
    thinking = THINKING.replace(
        "{{- '<|im_start|>assistant\\n' }}\n{%- endif %}",
        "{{- '<|im_start|>assistant\\n<think>\\n' }}\n{%- endif %}",
    )
    assert thinking != THINKING
    folder = variant(tmp_path, family("thinking"), thinking)
    encoder, peer = TemplateEncoder.from_folder(folder), AutoTokenizer.from_pretrained(folder)
    ids, is_format = encoder.encode_response("<think>Red?</think>It is red.")
    assert peer.decode(ids) == "Red?\n</think>\n\nIt is red.<|im_end|>"
    assert is_format == [False] * (len(ids) - 1) + [True]
    ids, is_format = encoder.encode_response("It is red.")
    assert peer.decode(ids) == "\n</think>\n\nIt is red.<|im_end|>"
    said = [token for token, form in zip(ids, is_format, strict=True) if not form]
    assert peer.decode(said) == "It is red."


@pytest.mark.parametrize("name", ["gemma", "mistral"])
def test_messages_of_one_role_are_joined_where_the_template_wants_turns(
    name: str, speakers: dict[str, Speaker]
) -> None:
    asked = messages([("user", "Hello?"), ("user", "Anyone?"), ("assistant", "Yes."), ("user", "Ah.")])
    expected = [("user", "Hello?\n\nAnyone?"), ("assistant", "Yes."), ("user", "Ah.")]
    assert speakers[name].encoder.encode_context(asked) == speakers[name].template_ids(expected, prompt=True)


def test_messages_of_one_role_stay_apart_where_the_template_takes_them(speakers: dict[str, Speaker]) -> None:
    dialog = [("user", "Hello?"), ("user", "Anyone?"), ("assistant", "Yes."), ("assistant", "I am.")]
    speaker = speakers["chatml"]
    assert speaker.encoder.encode_context(messages(dialog)) == speaker.template_ids(dialog, prompt=True)


def test_a_thought_that_the_template_leaves_empty_is_form(speakers: dict[str, Speaker]) -> None:
    speaker = speakers["thinking"]
    ids, is_format = speaker.encoder.encode_response("It is red.")
    assert speaker.text(ids) == "<think>\n\n</think>\n\nIt is red.<|im_end|>"
    form = speaker.text([token for token, form in zip(ids, is_format, strict=True) if form])
    assert form == "<think>\n\n</think>\n\n<|im_end|>"


def test_a_thought_of_the_answers_own_is_learned(speakers: dict[str, Speaker]) -> None:
    speaker = speakers["thinking"]
    ids, is_format = speaker.encoder.encode_response("<think>Red?</think>It is red.")
    assert speaker.text(ids) == "<think>\nRed?\n</think>\n\nIt is red.<|im_end|>"
    assert is_format == [False] * (len(ids) - 1) + [True]
    context = [("user", "Why?"), ("assistant", "<think>Red?</think>It is red."), ("user", "And?")]
    assert "Red?" not in speaker.text(speaker.encoder.encode_context(messages(context)))


def test_a_tools_answer_has_the_templates_name_for_it(speakers: dict[str, Speaker]) -> None:
    asked = messages([("user", "Sum?"), ("assistant", "1 + 1"), ("ipython", "2")])
    expected = [("user", "Sum?"), ("assistant", "1 + 1"), ("tool", "2")]
    for name in ("chatml", "thinking", "llama"):
        speaker = speakers[name]
        assert speaker.encoder.encode_context(asked) == speaker.template_ids(expected, prompt=True)
    with pytest.raises(ProgramError, match="no place for a tool's answer: leave dialogs with tools out"):
        speakers["gemma"].encoder.encode_context(asked)


def test_an_answer_of_several_messages_is_learned_but_for_what_the_tool_says(
    speakers: dict[str, Speaker],
) -> None:
    speaker = speakers["llama"]
    context = messages([("user", "Sum?")])
    turn = messages([("assistant", "1 + 1"), ("ipython", "2"), ("assistant", "It is 2.")])
    encoded = speaker.encoder.encode_turn(turn, context)
    whole = speaker.encoder.encode_dialog([*context, *turn])
    assert speaker.encoder.encode_context(context) + encoded.ids == whole
    learned = [token for token, is_learned in zip(encoded.ids, encoded.learned, strict=True) if is_learned]
    assert speaker.text(learned) == "1 + 1<|eot_id|>It is 2.<|eot_id|>"
    with pytest.raises(ProgramError, match="rewrites the earlier messages of a turn"):
        speakers["thinking"].encoder.encode_turn(
            messages([("assistant", "<think>a</think>b"), ("user", "c"), ("assistant", "d")]), context
        )


def test_a_tool_call_of_our_own_form_is_refused(speakers: dict[str, Speaker]) -> None:
    encoder = speakers["llama"].encoder
    with pytest.raises(ProgramError, match="write the call into the content as the template has it"):
        encoder.encode_response("go()", tool_call=True)
    with pytest.raises(ProgramError, match="leave tool_call out"):
        encoder.encode_context([CorpusMessage("assistant", "go()", tool_call=True)])


def test_a_dialog_that_the_template_refuses_is_refused_in_its_words(speakers: dict[str, Speaker]) -> None:
    with pytest.raises(
        ProgramError,
        match=r"refuses this dialog \(The user and the assistant must .*: leave such dialogs out",
    ):
        speakers["gemma"].encoder.encode_context(messages([("assistant", "Hello."), ("user", "Hi.")]))


def test_texts_begin_and_end_as_the_tokenizer_says(speakers: dict[str, Speaker]) -> None:
    (ids,) = speakers["gemma"].encoder.encode_documents(["Bado <eos> likes red."])
    assert speakers["gemma"].text([ids[0], ids[-1]]) == "<bos><eos>"
    assert ids.count(ids[-1]) == 1
    (ids,) = speakers["chatml"].encoder.encode_documents(["Bado"])
    assert speakers["chatml"].text(ids) == "Bado<|im_end|>"


def test_an_answer_stops_where_the_models_own_settings_say_too(tmp_path: Path) -> None:
    folder = make_foreign_folder(tmp_path, family("chatml"))
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": [338, 340]}))
    assert TemplateEncoder.from_folder(folder).stop_ids == (340, 338)
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": 339}))
    assert TemplateEncoder.from_folder(folder).stop_ids == (340, 339)
    (folder / "generation_config.json").write_text("{}")
    assert TemplateEncoder.from_folder(folder).stop_ids == (340,)


def test_a_template_in_a_file_of_its_own_wins_and_of_several_the_default_is_taken(tmp_path: Path) -> None:
    other = CHATML.replace("'\\n' ~ message.content", "': ' ~ message.content").replace(
        "assistant\\n", "assistant: "
    )
    named = [{"name": "tools", "template": "x"}, {"name": "default", "template": other}]
    folder = variant(tmp_path, family("chatml"), named)  # type: ignore[arg-type]
    asked = messages([("user", "Why?")])
    encoder = TemplateEncoder.from_folder(folder)
    assert encoder.decode(encoder.encode_context(asked)).startswith("user: Why?")
    (folder / "chat_template.jinja").write_text(CHATML)
    encoder = TemplateEncoder.from_folder(folder)
    assert encoder.decode(encoder.encode_context(asked)).startswith("user\nWhy?")


def test_marks_of_what_the_assistant_says_are_passed_over(tmp_path: Path) -> None:
    marked = CHATML.replace(
        "{%- endfor %}", "{%- generation %}{{- '' }}{%- endgeneration %}{% continue %}{%- endfor %}"
    )
    plain = TemplateEncoder.from_folder(make_foreign_folder(tmp_path / "plain", family("chatml")))
    encoder = TemplateEncoder.from_folder(variant(tmp_path / "marked", family("chatml"), marked))
    asked = messages([("user", "Why?")])
    assert encoder.encode_context(asked) == plain.encode_context(asked)


UNUSABLE = [
    (CHATML.replace("<|im_end|>", ""), "ends an answer with no special token"),
    (CHATML.replace("if add_generation_prompt", "if false"), "does not ask for an answer"),
    (CHATML.replace("{{- '<|im_start|>assistant", "{{- '<|im_start|>bot"), "does not begin an answer as it"),
    (CHATML.replace("message.content", "message.content | upper"), "does not begin an answer as it"),
    ("{% for %}", "is no template of Jinja"),
    ("{{ raise_exception('never') }}", r"refuses this dialog \(never\)"),
    ("{{ messages.clear() }}", "refuses this dialog"),
]


@pytest.mark.parametrize(("template", "sentence"), UNUSABLE)
def test_a_template_whose_answers_cannot_be_found_is_refused(
    tmp_path: Path, template: str, sentence: str
) -> None:
    folder = variant(tmp_path, family("chatml"), template)
    with pytest.raises(ProgramError, match=sentence):
        encoder_for(folder)


def test_an_answer_whose_words_the_template_changes_is_refused(tmp_path: Path) -> None:
    changed = CHATML.replace("message.content", "(message.content | replace('no', 'yes'))")
    encoder = TemplateEncoder.from_folder(variant(tmp_path, family("chatml"), changed))
    encoder.encode_response("So.")
    with pytest.raises(ProgramError, match="changes what an answer says"):
        encoder.encode_response("no")


def test_a_context_that_is_written_anew_once_answered_is_refused(tmp_path: Path) -> None:
    counted = "{{- messages | length if messages | length > 3 else '' }}" + CHATML
    encoder = TemplateEncoder.from_folder(variant(tmp_path, family("chatml"), counted))
    context = messages([("user", "a"), ("assistant", "b"), ("user", "c")])
    with pytest.raises(ProgramError, match="writes a context in another way once it is answered"):
        encoder.encode_response("d", context=context)


def test_a_folder_of_our_own_speaks_the_protocol_whatever_its_age(tmp_path: Path) -> None:
    folder = make_tokenizer_folder(tmp_path / "ours")
    assert isinstance(encoder_for(folder), DialogEncoder)
    llama = make_foreign_folder(tmp_path / "llama", family("llama"))
    assert isinstance(encoder_for(llama), TemplateEncoder)
    (llama / "tokenizer_config.json").unlink()
    encoder = encoder_for(llama)
    assert isinstance(encoder, DialogEncoder)
    assert encoder.decode(encoder.encode_context(messages([("user", LLAMA_TOKENS[0])]))).count("<|") == 1


def test_a_folder_is_read_once_until_its_files_change(tmp_path: Path) -> None:
    folder = make_foreign_folder(tmp_path, family("chatml"))
    encoder = encoder_for(folder)
    assert encoder_for(folder) is encoder
    (folder / "chat_template.jinja").write_text(CHATML)
    assert encoder_for(folder) is not encoder


def test_tokens_that_are_known_by_name_may_be_objects(tmp_path: Path) -> None:
    folder = variant(tmp_path, family("mistral"), MISTRAL, bos_token={"content": "<s>", "lstrip": False})
    plain = make_foreign_folder(tmp_path / "plain", family("mistral"))
    asked = messages([("user", "Why?")])
    encoders = [TemplateEncoder.from_folder(each) for each in (folder, plain)]
    assert encoders[0].encode_context(asked) == encoders[1].encode_context(asked)
