"""Exported folders: what transformers loads, with the card beside it."""

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from transformers import AutoModelForCausalLM, AutoTokenizer

from accounts.models import AuditEntry
from registry.models import Checkpoint
from registry.services import checkpoint_register
from tests.alignment.sampling.factories import make_tokenizer
from tests.alignment.sampling.model_factories import make_policy
from tests.alignment.test_model_card import metadata


@pytest.mark.django_db
def test_an_exported_folder_loads_in_transformers_with_its_chat_template(tmp_path: Path) -> None:
    stored = make_policy(tmp_path / "stored", make_tokenizer(tmp_path / "tokenizer"), seed=1)
    checkpoint = checkpoint_register(
        name="mine", kind=Checkpoint.Kind.BASE, path=stored, produced_by="pretrain", licence="apache-2.0"
    )
    out, said = tmp_path / "out" / "mine", StringIO()
    out.parent.mkdir()
    call_command("export_model", "mine", "--out", str(out), stdout=said)
    assert "README.md" in said.getvalue() and "No licence" not in said.getvalue()
    model = AutoModelForCausalLM.from_pretrained(out)
    tokenizer = AutoTokenizer.from_pretrained(out)
    asked = tokenizer.apply_chat_template([{"role": "user", "content": "Hi"}], add_generation_prompt=True)
    assert model.config.vocab_size > max(asked["input_ids"])
    assert (out / "model.safetensors").stat().st_ino == (stored / "model.safetensors").stat().st_ino
    assert metadata((out / "README.md").read_text())["license"] == "apache-2.0"
    assert json.loads((out / "provenance.json").read_text())["content_hash"] == checkpoint.content_hash
    assert AuditEntry.objects.filter(action="checkpoint.export").exists()

    with pytest.raises(CommandError, match="new or empty"):
        call_command("export_model", "mine", "--out", str(out))
    (stored / "config.json").write_text("{}")
    with pytest.raises(CommandError, match="not those that were registered"):
        call_command("export_model", "mine", "--out", str(tmp_path / "again"))
    assert [path.name for path in tmp_path.iterdir() if "again" in path.name] == []
