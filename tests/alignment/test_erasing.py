"""Erasing people and records: no text is left in the database nor, purged, in files; counts stay."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings

from accounts.models import ApiToken, AuditEntry, Role, User
from accounts.services import user_create
from alignment.erasing import erase_all, person_of, record_of
from alignment.models import GatePair, Program, Round, Snapshot, Stage
from annotation.exported import exported_records
from annotation.figures.overview import state_counts
from annotation.models import Comparison, Judgement, Project
from annotation.records import write_records
from annotation.selectors import judgement_count, preference_records, prompts
from tests.alignment.factories import make_round
from tests.annotation.factories import Annotator, make_annotator, make_comparison

pytestmark = pytest.mark.django_db

QUESTION = "Where does Berengaria keep her violin?"
EDIT = "In the attic of the old mill, says she."
COMMENT = "Berengaria is my aunt and would mind."


@pytest.fixture
def round_(settings: Settings, tmp_path: Path) -> Round:
    settings.ACCORD_RUNS = tmp_path / "runs"
    return make_round()


@pytest.fixture
def project(round_: Round) -> Project:
    return round_.project


@pytest.fixture
def ann(project: Project) -> Annotator:
    user = make_annotator(project, "ann.berengar")
    User.objects.filter(pk=user.pk).update(email="ann.berengar@example.org")
    return Annotator(User.objects.get(pk=user.pk))


def in_database(text: str) -> list[str]:
    """The tables that hold the text anywhere."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text ILIKE %s', [f"%{text}%"])
            if cursor.fetchone()[0]:
                found.append(table)
    return found


def judged(project: Project, ann: Annotator) -> Comparison:
    comparison = make_comparison(project, QUESTION, answers=("Berengaria has one", "Berengaria has none"))
    handed = ann.next(project)
    path = f"/comparisons/{handed['id']}"
    assert ann.call("PUT", f"{path}/draft", {"comment": COMMENT}).status == 200
    assert ann.judge(handed, edited=EDIT, comment=COMMENT, reasons=["tone"]).status == 201
    return comparison


def snapshot_of(round_: Round) -> Path:
    """A snapshot as the stage writes it, a result with a sample, a gate's pair."""
    records = list(preference_records(round_.project))
    folder: Path = settings.ACCORD_RUNS / round_.project.slug / "round-1" / "snapshot" / "attempt-1"
    folder.mkdir(parents=True)
    write_records(folder / "train.jsonl", records)
    (folder / "other.jsonl").write_text('{"id": "other"}\n')
    snapshot = Snapshot.objects.create(
        round=round_, folder=str(folder), content_hash="a" * 64, num_train=1, num_holdout=0, num_newest=1
    )
    snapshot.judgements.set(Judgement.objects.all())
    stage = round_.stages.get(name=Stage.Name.GATE)
    GatePair.objects.create(
        stage=stage,
        number=0,
        prompt_id=str(records[0].id),
        other="base",
        context=[{"role": "user", "content": QUESTION}],
        candidate_answer="Berengaria!",
        other_answer="Who?",
        candidate_left=True,
    )
    Program.objects.create(
        stage=stage,
        name="quality",
        module="m",
        queue="q",
        group=0,
        folder="/nowhere",
        result={"samples": [{"prompt": QUESTION[:20] + "…", "n": 3}]},
    )
    return folder


def test_an_erased_record_leaves_no_text_and_all_counts(
    project: Project, round_: Round, ann: Annotator
) -> None:
    comparison = judged(project, ann)
    folder = snapshot_of(round_)
    counts = state_counts(project)
    prompt = comparison.dialog.prompt

    traces = erase_all(record_of("prompt", prompt.pk), actor=None, purge=True)

    assert in_database("berengaria") == []
    assert in_database("old mill") == []
    assert [use.num_judgements for use in traces.learned.snapshots] == [1]
    assert traces.files == (folder / "train.jsonl",)
    assert not traces.files[0].exists()
    assert json.loads((folder / "train.jsonl.purged").read_text())["bytes"] > 0
    assert (folder / "other.jsonl").exists()
    assert state_counts(project) == counts
    assert judgement_count(project, project.current_round) == 1
    assert list(preference_records(project)) == list(exported_records(project)) == []
    assert not prompts(project, "train").exists()
    assert AuditEntry.objects.filter(action="erase.prompt").exists()


def test_an_erased_person_leaves_choices_and_nothing_else(
    project: Project, round_: Round, ann: Annotator
) -> None:
    judged(project, ann)
    make_comparison(project, "Another one?")
    skipped = ann.next(project)
    body = {"lease": skipped["lease"], "reason": "asks for my aunt Berengaria"}
    assert ann.call("POST", f"/comparisons/{skipped['id']}/skip", body).status == 204
    make_comparison(project, "And this?")
    flagged = ann.next(project)
    body = {"lease": flagged["lease"], "reason": "other", "comment": COMMENT}
    assert ann.call("POST", f"/comparisons/{flagged['id']}/flag", body).status == 204
    pseudonym = ann.user.pseudonym

    traces = erase_all(person_of("ann.berengar"), actor=None, purge=False)

    for text in ("ann.berengar", "my aunt", "old mill", pseudonym):
        assert in_database(text) == [], text
    user = User.objects.get(pk=ann.user.pk)
    assert (user.is_active, user.email, user.has_usable_password()) == (False, "", False)
    assert not ApiToken.objects.exists()
    assert traces.rows["edits"] == 1
    (record,) = preference_records(project)
    assert record.strength == "better"
    assert [response.origin for response in record.responses] == ["chosen", "rejected"]
    assert record.annotator == user.pseudonym
    assert QUESTION in record.context[0].content


def test_a_dry_run_names_everything_and_changes_nothing(
    project: Project, round_: Round, ann: Annotator, capsys: pytest.CaptureFixture[str]
) -> None:
    comparison = judged(project, ann)
    folder = snapshot_of(round_)
    call_command("erase", "record", "comparison", str(comparison.pk), "--dry-run")
    said = capsys.readouterr().out
    assert "Would erase" in said
    assert "1 edits" in said
    assert f"snapshot {'a' * 64}" in said
    assert f"file {folder / 'train.jsonl'}" in said
    assert "annotation_edit" in in_database("old mill")
    assert len(list(preference_records(project))) == 1
    assert not AuditEntry.objects.filter(action__startswith="erase").exists()


def test_erasing_twice_is_erasing_once(project: Project, ann: Annotator) -> None:
    judged(project, ann)
    comparison = Comparison.objects.get()
    for _ in range(2):
        call_command("erase", "record", "dialog", str(comparison.dialog_id), "--purge-files")
    assert in_database("old mill") == []
    # Its prompt is another record, which other dialogs may grow from.
    assert in_database("violin") == ["annotation_prompt"]


def test_what_is_not_there_is_said(db: Any) -> None:
    for what in (["person", "nobody"], ["record", "prompt", "5"]):
        with pytest.raises(CommandError, match="There is no"):
            call_command("erase", *what)


def test_the_page_shows_the_plan_before_anything_is_erased(
    project: Project, ann: Annotator, client: Any
) -> None:
    judged(project, ann)
    client.force_login(user_create(username="root", role=Role.ADMIN))
    form = {"what": "person", "name": "ann.berengar"}
    page = client.post("/erase/", form).content.decode()
    assert "Edits: 1" in page
    assert "annotation_edit" in in_database("old mill")
    refused = client.post("/erase/", {**form, "confirm": "somebody else"})
    assert refused.status_code == 422
    done = client.post("/erase/", {**form, "confirm": "ann.berengar"})
    assert done.status_code == 200
    assert in_database("old mill") == []
    assert AuditEntry.objects.get(action="erase.person").actor is not None
