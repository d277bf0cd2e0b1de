"""Names that would lead out of their folder, and files that would run when they are read."""

import ast
import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.errors import Invalid
from alignment.importing import model_import
from pretrain.checkpoint_check import check_weights
from pretrain.run import ProgramError
from registry.models import Checkpoint
from registry.services import checkpoint_register
from tests.alignment.sampling.factories import make_tokenizer

REPOSITORY = Path(__file__).parents[2]
OURS = ("platform", "annotation", "alignment", "pretrain", "deploy")
OUTSIDE = ("../x", "..", "/etc/x", "a/../../b", ".hidden", "a\\b", "a\0b", "x" * 201, "")


@pytest.mark.django_db
@pytest.mark.parametrize("name", OUTSIDE)
def test_a_model_s_name_leads_nowhere(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(Invalid, match="is no name for a model"):
        checkpoint_register(name=name, kind=Checkpoint.Kind.BASE, path=tmp_path, produced_by="test")
    with pytest.raises(CommandError):
        call_command("pretrain", "--recipe", "tiny", "--corpus", str(tmp_path), "--name", name)


@pytest.mark.parametrize("name", ["../secret.safetensors", "/etc/passwd", "a/b.safetensors"])
def test_an_index_of_weights_names_files_of_its_folder_alone(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"w": name}}))
    with pytest.raises(ProgramError, match="is no file of its folder"):
        check_weights(folder)


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path",
    [
        "/static/../../../manage.py",
        "/static/..%2f..%2f..%2fmanage.py",
        "/bundles/0/../../platform/accord/settings.py",
        "/bundles/0/..%2f..%2faccord%2fsettings.css",
        "/bundles/0//etc/passwd.css",
    ],
)
def test_no_address_gives_a_file_from_elsewhere(path: str) -> None:
    answer = Client().get(path)
    assert answer.status_code in (400, 404)
    assert b"SECRET_KEY" not in b"".join(answer) if answer.streaming else b"SECRET_KEY" not in answer.content


class Bomb:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, (f"touch {self._mark}",)


@pytest.mark.django_db
def test_weights_that_would_run_are_refused_unread(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    make_tokenizer(folder)
    (folder / "config.json").write_text(json.dumps({"architectures": ["LlamaForCausalLM"]}))
    mark = tmp_path / "ran"
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(Invalid, match=r"no \.safetensors weights"):
        model_import(folder, "bomb")
    assert not mark.exists()


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Every call in our code: file, what is called, and the call."""
    for path in sorted(path for top in OURS for path in (REPOSITORY / top).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield path.relative_to(REPOSITORY).as_posix(), ast.unparse(node.func), node


def test_nothing_that_can_run_code_is_read() -> None:
    wrong = []
    for path, called, call in calls():
        named = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        last = called.rpartition(".")[2]
        if called.split(".")[0] in ("pickle", "dill", "marshal", "shelve", "joblib"):
            wrong.append(f"{path}: {called}")
        if called == "torch.load" and named.get("weights_only") != "True":
            wrong.append(f"{path}: torch.load without weights_only")
        if called == "np.load" and named.get("allow_pickle") != "False":
            wrong.append(f"{path}: np.load that may unpickle")
        if called in ("yaml.load", "eval", "exec", "os.system") or named.get("shell") == "True":
            wrong.append(f"{path}: {called}")
        if last == "from_pretrained" and named.get("trust_remote_code", "False") != "False":
            wrong.append(f"{path}: code of a model's folder")
    assert wrong == []


def test_an_archive_is_not_unpacked(tmp_path: Path) -> None:
    """No module of ours unpacks archives: what names a member has cannot matter."""
    found = [
        (path, called)
        for path, called, _ in calls()
        if called.rpartition(".")[2] in ("extractall", "unpack_archive", "extract")
    ]
    assert found == []
