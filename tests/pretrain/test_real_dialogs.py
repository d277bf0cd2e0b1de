"""Real dialogs and naughty strings: training, a model's server and the chat template read the same tokens."""

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from alignment.records import SftExample
from alignment.training.inputs import sft_rows
from annotation.records import Message
from pretrain.chat_template import TODAY
from pretrain.corpus import CorpusMessage
from pretrain.dialog import SPECIAL_TOKENS, DialogEncoder
from pretrain.encoders import encoder_for
from pretrain.tokenizer import save_tokenizer, train_tokenizer
from tests.pretrain.foreign_folders import FAMILIES, family, make_foreign_folder
from tests.pretrain.real_dialogs import Dialog, naughty_strings, needs_real_data, real_dialogs

pytestmark = needs_real_data


@pytest.fixture(scope="module")
def dialogs() -> list[Dialog]:
    return real_dialogs()


@pytest.fixture(scope="module")
def folder(dialogs: list[Dialog], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tokenizer learned from some of the dialogs, so that words are tokens."""
    texts = (message.content for dialog in dialogs[::10] for message in dialog)
    path = tmp_path_factory.mktemp("tokenizer")
    save_tokenizer(train_tokenizer(texts, 2000), path, max_length=4096)
    return path


@pytest.fixture(scope="module")
def real_encoder(folder: Path) -> DialogEncoder:
    return DialogEncoder.from_folder(folder)


@pytest.fixture(scope="module")
def peer(folder: Path) -> Any:  # Any: untyped
    return AutoTokenizer.from_pretrained(folder)


def template_ids(
    peer: Any,  # Any: untyped
    dialogs: Sequence[Sequence[CorpusMessage]],
    *,
    prompt: bool = False,
    **more: Any,  # Any: what the template knows besides
) -> list[list[int]]:
    """What the chat template makes of each dialog."""
    found: list[list[int]] = peer.apply_chat_template(
        [[vars(message) for message in dialog] for dialog in dialogs],
        add_generation_prompt=prompt,
        return_dict=False,
        **more,
    )
    return found


@pytest.mark.slow
def test_the_template_and_the_encoder_agree_on_every_dialog(
    dialogs: list[Dialog],
    real_encoder: DialogEncoder,
    peer: Any,  # Any: untyped
) -> None:
    assert len(dialogs) > 2500
    asked = [real_encoder.encode_context(dialog) for dialog in dialogs]
    assert template_ids(peer, dialogs, prompt=True) == asked
    some = dialogs[::10]
    assert template_ids(peer, some) == real_encoder.encode_dialogs(some)


def test_every_answer_is_learned_as_it_stands_in_the_dialog(
    dialogs: list[Dialog],
    real_encoder: DialogEncoder,
    peer: Any,  # Any: untyped
) -> None:
    num_answers = 0
    some = dialogs[::40]
    for dialog, whole in zip(some, template_ids(peer, some), strict=True):
        for place in answers(dialog):
            (row,) = sft_rows(example_of(dialog, place), real_encoder)
            ids = row.context + row.responses[0]
            assert whole[: len(ids)] == ids, dialog[place]
            assert row.format_masks == [[False] * (len(row.responses[0]) - 1) + [True]]
            num_answers += 1
    assert num_answers > 300


def answers(dialog: Dialog) -> list[int]:
    """The places of the assistant's messages that end a turn; some bots said nothing."""
    return [
        place
        for place, message in enumerate(dialog)
        if message.role == "assistant"
        and message.content
        and not message.tool_call
        and (place + 1 == len(dialog) or dialog[place + 1].role == "user")
    ]


@pytest.mark.parametrize("name", [kind.name for kind in FAMILIES])
def test_templates_of_others_give_their_own_ids_for_real_dialogs(
    dialogs: list[Dialog], tmp_path: Path, name: str
) -> None:
    some = [[message for message in dialog if message.role != "ipython"] for dialog in dialogs[::40]]
    some = [alternating(dialog) for dialog in some]
    texts = [message.content for dialog in some[::10] for message in dialog]
    folder = make_foreign_folder(tmp_path, family(name), texts)
    found = encoder_for(folder).encode_dialogs(some)
    assert template_ids(AutoTokenizer.from_pretrained(folder), some, strftime_now=TODAY.strftime) == found


@pytest.mark.parametrize("name", [kind.name for kind in FAMILIES])
def test_templates_of_others_give_their_own_ids_for_naughty_strings(tmp_path: Path, name: str) -> None:
    folder = make_foreign_folder(tmp_path, family(name))
    dialogs = [[CorpusMessage("user", string)] for string in naughty_strings()]
    asked = [encoder_for(folder).encode_context(dialog) for dialog in dialogs]
    peer = AutoTokenizer.from_pretrained(folder)
    assert template_ids(peer, dialogs, prompt=True, strftime_now=TODAY.strftime) == asked


def alternating(dialog: Dialog) -> Dialog:
    """The dialog's messages up to the first that some templates refuse."""
    for place, message in enumerate(dialog):
        if message.tool_call or message.role != ("user", "assistant")[place % 2]:
            return dialog[:place]
    return dialog


def example_of(dialog: Dialog, place: int) -> SftExample:
    """The answer at `place` with all that stands before it."""
    return SftExample(
        id="example",
        source="imported",
        context=tuple(Message.model_validate(vars(message)) for message in dialog[:place]),
        response=dialog[place].content,
    )


def test_naughty_strings_survive_in_every_place(
    real_encoder: DialogEncoder,
    peer: Any,  # Any: untyped
) -> None:
    strings = naughty_strings()
    assert len(strings) > 500
    dialogs = [[CorpusMessage("system", string), CorpusMessage("user", string)] for string in strings]
    asked = [real_encoder.encode_context(dialog) for dialog in dialogs]
    assert template_ids(peer, dialogs, prompt=True) == asked
    for string in strings:
        ids, mask = real_encoder.encode_response(string)
        assert real_encoder.decode(ids) == string
        assert sum(mask) == 1


def test_special_tokens_written_into_real_dialogs_stay_text(
    dialogs: list[Dialog], real_encoder: DialogEncoder
) -> None:
    rng = random.Random(0)
    specials = {token for token in range(real_encoder.vocabulary_size) if not real_encoder.decode([token])}
    assert len(specials) == len(SPECIAL_TOKENS)
    for dialog in dialogs[::20]:
        attacked = [replace(message, content=insert(message.content, rng)) for message in dialog]
        harmless = [replace(message, content="x") for message in dialog]
        assert [i for i in real_encoder.encode_context(attacked) if i in specials] == [
            i for i in real_encoder.encode_context(harmless) if i in specials
        ]


def insert(content: str, rng: random.Random) -> str:
    """The content with a special token's name somewhere in it."""
    place = rng.randint(0, len(content))
    return content[:place] + rng.choice(SPECIAL_TOKENS) + content[place:]
