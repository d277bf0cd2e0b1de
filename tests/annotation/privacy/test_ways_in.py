"""Every way by which a prompt comes into a project that masks: nothing of the original is stored."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client

from accounts.models import Role
from accounts.services import user_create
from annotation.models import Comparison, Judgement, Project, Prompt
from annotation.services.dialogs import dialog_turn
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project
from tests.annotation.test_pairing import Models, echo

pytestmark = pytest.mark.django_db

SECRET = "bo.lind@example.org"
PROMPT = {"prompt": f"Write to {SECRET}, then to {SECRET} again."}
MASKED = "Write to [EMAIL_1], then to [EMAIL_1] again."


@pytest.fixture
def project() -> Project:
    made = make_project()
    made.mask_personal_data = True
    made.save()
    return made


def in_database(text: str) -> list[str]:
    """The tables of ours that hold the text anywhere."""
    with connection.cursor() as cursor:
        tables = [name for name in connection.introspection.table_names(cursor) if "_" in name]
        found = []
        for table in tables:
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text ILIKE %s', [f"%{text}%"])
            if cursor.fetchone()[0]:
                found.append(table)
    return found


def written(folder: Path, row: dict[str, Any]) -> Path:
    path = folder / "rows.jsonl"
    path.write_text(json.dumps(row) + "\n")
    return path


def test_the_import_command_masks_and_says_how_much(
    project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, {**PROMPT, "id": f"from {SECRET}"})
    call_command("import_prompts", path, project=project.slug)
    call_command("import_prompts", path, project=project.slug)
    prompt = Prompt.objects.get()
    assert prompt.context[0]["content"] == MASKED
    assert "masked 2 e-mail addresses" in capsys.readouterr().out
    assert in_database("bo.lind") == []


def test_without_the_setting_nothing_is_changed(tmp_path: Path) -> None:
    project = make_project()
    call_command("import_prompts", written(tmp_path, PROMPT), project=project.slug)
    assert SECRET in Prompt.objects.get().context[0]["content"]


def test_an_upload_is_masked(project: Project, client: Client) -> None:
    client.force_login(user_create(username="root", role=Role.ADMIN))
    file = SimpleUploadedFile("prompts.jsonl", json.dumps(PROMPT).encode())
    page = client.post(f"/projects/{project.slug}/prompts/", {"file": file, "holdout": "0"})
    assert "2 e-mail addresses" in page.content.decode()
    assert Prompt.objects.get().context[0]["content"] == MASKED
    assert in_database("bo.lind") == []


def test_djangos_admin_masks(project: Project, client: Client) -> None:
    client.force_login(user_create(username="root", role=Role.ADMIN))
    form = {
        "project": project.pk,
        "external_id": "a",
        "domain": "general",
        "language": "en",
        "split": "train",
        "context": json.dumps([{"role": "user", "content": PROMPT["prompt"]}]),
        "created_at_0": "2026-01-01",
        "created_at_1": "12:00:00",
    }
    assert client.post("/admin/annotation/prompt/add/", form).status_code == 302
    assert Prompt.objects.get().context[0]["content"] == MASKED


def test_imported_judgements_of_one_pair_still_meet(project: Project, tmp_path: Path) -> None:
    answers = [{"content": f"Ask {name}@example.org", "model": name} for name in ("ann", "cy")]
    rows = []
    for annotator, (chosen, rejected) in zip("xy", (answers, answers[::-1]), strict=True):
        responses = [{**chosen, "origin": "chosen"}, {**rejected, "origin": "rejected"}]
        context = [{"role": "user", "content": PROMPT["prompt"]}]
        rows.append(
            {"context": context, "responses": responses, "strength": "better", "annotator": annotator}
        )
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows))
    call_command("import_preferences", path, project=project.slug)
    assert Judgement.objects.count() == 2
    comparison = Comparison.objects.get()
    assert {comparison.left.content, comparison.right.content} == {"Ask [EMAIL_2]", "Ask [EMAIL_3]"}
    assert in_database("ann@example") == in_database("bo.lind") == []


def test_a_turn_is_masked_before_the_models_see_it_and_once_when_repeated(project: Project) -> None:
    comparison = make_comparison(project, "Who is [EMAIL_1]?")
    models = Models(project, one=echo("one"), two=echo("two"))
    ann = Annotator(make_annotator(project))
    handed = ann.next(project)
    draft = {"next_message": f"And {SECRET}?"}
    assert ann.call("PUT", f"/comparisons/{handed['id']}/draft", draft).status == 200
    assert in_database("bo.lind") == []
    ann.judge(handed)
    for created in (True, False):
        assignment, is_new = dialog_turn(
            dialog_id=comparison.dialog_id,
            annotator=ann.user,
            content=f"And {SECRET}?",
            client_for=models.client_for,
        )
        assert is_new is created
        assert assignment.comparison.context[-1]["content"] == "And [EMAIL_2]?"
    assert in_database("bo.lind") == []
