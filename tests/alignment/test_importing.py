"""Bases of someone else's come into the registry, or a sentence says why not."""

import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from pretrain.checkpoint_folder import save_checkpoint_folder
from pretrain.encoders import encoder_for
from registry.models import Checkpoint
from tests.alignment.training.factories import make_model
from tests.pretrain.foreign_folders import CHATML, family, make_foreign_folder

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A model with a chat template of its own."""
    tokenizer = make_foreign_folder(tmp_path / "tokenizer", family("chatml"))
    save_checkpoint_folder(make_model(encoder_for(tokenizer).vocabulary_size), tokenizer, tmp_path / "model")
    return tmp_path / "model"


def test_a_model_with_a_chat_template_of_its_own_is_a_base(folder: Path) -> None:
    call_command("import_model", str(folder), "--name", "theirs", "--kind", "base")
    assert Checkpoint.objects.get(name="theirs").kind == Checkpoint.Kind.BASE


def test_a_model_whose_template_never_ends_an_answer_is_refused(folder: Path) -> None:
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    settings["chat_template"] = CHATML.replace("<|im_end|>", "")
    path.write_text(json.dumps(settings))
    with pytest.raises(CommandError, match="ends an answer with no special token"):
        call_command("import_model", str(folder), "--name", "theirs", "--kind", "base")
    assert not Checkpoint.objects.exists()
