"""A review from the run folder to a sift that people agree with more; bad input; many reviewers at once."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from pytest_django.fixtures import Settings

from accord.env import REPOSITORY
from accounts.errors import Conflict, Forbidden, Invalid
from annotation.models import Project
from pretrain.curation.documents import ENDING, Document, ShardWriter, read_shard
from pretrain.curation.sifting import SiftRecipe
from reviewing.importing import review_import
from reviewing.labels import label_lines
from reviewing.models import DocumentReview, Reading
from reviewing.results import results_of
from reviewing.services import (
    document_erase,
    filters_reveal,
    reading_next,
    review_set_open,
    verdict_give,
    verdict_take_back,
)
from tests.annotation.factories import make_annotator, make_project
from tests.pretrain.curation.texts import prose
from tests.reviewing.factories import (
    RECIPE,
    corpus,
    error_on_all,
    judge_all,
    make_review,
    people_would_drop,
    sift,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return make_project()


def test_verdicts_move_thresholds_and_train_a_classifier_and_the_error_on_documents_nobody_saw_falls(
    project: Project, tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.ACCORD_RUNS = tmp_path / "runs"
    folder = sift(tmp_path, corpus(1600))
    before = error_on_all(folder / "out")
    call_command(
        *("import_document_review", str(folder), "--project", project.slug, "--name", "first"),
        *("--documents", "400"),
    )
    assert "drew 400 of 1,600 documents" in capsys.readouterr().out
    review = DocumentReview.objects.get()
    assert judge_all(review, [make_annotator(project)]) == 400
    results = results_of(review, 1.0)
    assert set(results.moved) == {"num_words:low", "ellipsis_lines:high"}
    assert 35 <= results.moved["num_words:low"].bound <= 50
    assert 0.08 <= results.moved["ellipsis_lines:high"].bound <= 0.16
    assert results.before.error is not None and results.after.error is not None
    # What the sample says of the whole corpus is what the whole corpus says.
    assert results.before.error.low <= before <= results.before.error.high
    assert results.after.error.value < before / 2
    call_command(
        *("apply_document_review", "first", "--project", project.slug, "--run", "--classifier", "quality")
    )
    told = capsys.readouterr().out
    assert "num_words:low 100 → " in told and "left out" not in told
    out = tmp_path / "runs" / project.slug / "document-reviews" / "first"
    after = error_on_all(out / "sift" / "out")
    assert after < before / 3
    trained = json.loads((out / "classifier" / "result.json").read_text())
    assert trained["num_documents"] > 40
    sifted = next(read_shard(next((out / "sift" / "out").glob(f"*{ENDING}"))))
    assert sifted.verdicts["quality"].value is not None
    curation = json.loads((out / "curation.json").read_text())
    assert SiftRecipe.model_validate(curation["sift"]).classifiers["quality"].min_probability == 0.5
    # The new sift is a run like any other.
    again = review_import(project, out / "sift", name="second", size=10)
    assert again.documents.count() == 10


def test_a_classifier_that_learned_nothing_is_left_out_of_the_sift(
    project: Project, tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.ACCORD_RUNS = tmp_path / "runs"
    review = make_review(project, tmp_path, num=420, size=420)
    # By their length alone, which no word tells.
    judge_all(review, [make_annotator(project)], lambda text: len(text) % 2 == 0)
    call_command(
        *("apply_document_review", "first", "--project", project.slug, "--run", "--classifier", "quality"),
        *("--good-cost", "3"),
    )
    assert "it is left out" in capsys.readouterr().out
    out = tmp_path / "runs" / project.slug / "document-reviews" / "first"
    assert json.loads((out / "sift" / "run.json").read_text())["recipe"]["classifiers"] == {}
    assert (out / "sift" / "result.json").exists() and (out / "classifier" / "out" / "model.bin").exists()


def test_a_document_comes_once_to_each_and_to_as_many_as_were_asked_for(
    project: Project, tmp_path: Path
) -> None:
    review = make_review(project, tmp_path, size=12, people_each=2)
    people = [make_annotator(project, name) for name in ("ann", "ben", "cat")]
    first = reading_next(review, people[0])
    assert first is not None
    same = reading_next(review, people[0])
    assert same is not None and same.pk == first.pk  # a reload shows the same document
    assert judge_all(review, people) == 24
    given = Reading.objects.exclude(verdict="")
    assert {given.filter(document=document).count() for document in review.documents.all()} == {2}
    results = results_of(review, 1.0)
    assert results.agreement is not None and results.agreement.value == 1.0


def test_a_document_that_somebody_leaves_goes_to_others_and_their_late_verdict_counts(
    project: Project, tmp_path: Path
) -> None:
    review = make_review(project, tmp_path, size=1)
    ann, ben = make_annotator(project, "ann"), make_annotator(project, "ben")
    left = reading_next(review, ann)
    assert left is not None and reading_next(review, ben) is None
    Reading.objects.update(expires_at="2020-01-01T00:00Z")
    assert judge_all(review, [ben]) == 1
    verdict_give(left.document, ann, verdict="drop", reasons=["spam"])
    assert Reading.objects.exclude(verdict="").count() == 2


def test_the_first_verdict_stands_until_it_is_taken_back_and_for_good_once_the_filters_were_shown(
    project: Project, tmp_path: Path
) -> None:
    review = make_review(project, tmp_path, size=2)
    ann = make_annotator(project)
    reading = reading_next(review, ann)
    assert reading is not None
    document = reading.document
    with pytest.raises(Forbidden, match="Judge the document first"):
        filters_reveal(document, ann)
    verdict_give(document, ann, verdict="drop", reasons=["spam"])
    assert verdict_give(document, ann, verdict="keep", reasons=[]).verdict == "drop"
    verdict_take_back(document, ann)
    again = reading_next(review, ann)
    assert again is not None and again.document == document
    verdict_give(document, ann, verdict="keep", reasons=["spam"])
    filters_reveal(document, ann)
    with pytest.raises(Conflict, match="no verdict that could be taken back"):
        verdict_take_back(document, ann)
    assert Reading.objects.get(document=document).reasons == []


def test_what_makes_no_sense_is_refused(project: Project, tmp_path: Path) -> None:
    review = make_review(project, tmp_path, size=2)
    ann, ben = make_annotator(project, "ann"), make_annotator(project, "ben")
    reading = reading_next(review, ann)
    assert reading is not None
    with pytest.raises(Invalid, match="keep, drop or unsure"):
        verdict_give(reading.document, ann, verdict="maybe", reasons=[])
    with pytest.raises(Invalid, match="no reason 'dull'"):
        verdict_give(reading.document, ann, verdict="drop", reasons=["dull"])
    with pytest.raises(Forbidden, match="not handed to you"):
        verdict_give(reading.document, ben, verdict="drop", reasons=[])
    review_set_open(review, is_open=False, actor=ann)
    review.refresh_from_db()
    assert reading_next(review, ben) is None
    reading.document.review.refresh_from_db()
    with pytest.raises(Conflict, match="closed"):
        verdict_give(reading.document, ann, verdict="drop", reasons=[])


def test_divided_people_and_the_unsure_count_nowhere(project: Project, tmp_path: Path) -> None:
    review = make_review(project, tmp_path, size=3, people_each=2)
    ann, ben = make_annotator(project, "ann"), make_annotator(project, "ben")
    for person, verdicts in ((ann, ("drop", "keep", "unsure")), (ben, ("keep", "keep", "unsure"))):
        for verdict in verdicts:
            reading = reading_next(review, person)
            assert reading is not None
            verdict_give(reading.document, person, verdict=verdict, reasons=[])
    results = results_of(review, 1.0)
    assert (results.num_judged, results.num_undecided) == (3, 2)
    assert [json.loads(line)["label"] for line in label_lines(review, {})] == [True]


def test_an_erased_document_is_gone_but_for_what_people_said_of_it(project: Project, tmp_path: Path) -> None:
    review = make_review(project, tmp_path, size=4)
    ann = make_annotator(project)
    judge_all(review, [ann])
    document = review.documents.all()[0]
    erasure = document_erase(document, actor=None)
    assert erasure.texts == {document.text} and erasure.rows["reviewed documents"] == 1
    document.refresh_from_db()
    assert (document.text, document.url) == ("[erased]", "")
    assert len(list(label_lines(review, {}))) == 3
    assert results_of(review, 1.0).num_judged == 4
    assert document_erase(document, actor=None).rows["reviewed documents"] == 0


def test_the_erase_command_finds_a_reviewed_document_and_the_labels_that_hold_it(
    project: Project, tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.ACCORD_RUNS = tmp_path / "runs"
    review = make_review(project, tmp_path, size=4)
    judge_all(review, [make_annotator(project)])
    call_command("apply_document_review", review.name, "--project", project.slug)
    document = review.documents.all()[0]
    call_command("erase", "record", "document", str(document.pk), "--purge-files")
    told = capsys.readouterr().out
    assert "Erased 1 reviewed documents." in told
    assert "labels.jsonl" in told
    labels = settings.ACCORD_RUNS / project.slug / "document-reviews" / review.name / "labels.jsonl"
    assert not labels.exists()


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        ("no run.json", "has no run.json"),
        ("no out", "run sift in"),
        ("no report", "no report or no dropped documents of 00.jsonl.zst: finish the sift"),
        ("unfinished", "01.jsonl.zst is not sifted yet: finish the sift"),
        ("another recipe", "was sifted by another run.json"),
        ("changed kept", "has changed since it was sifted"),
        ("changed input", "has changed since it was sifted"),
        ("damaged", "is damaged near line"),
    ],
)
def test_a_run_that_is_not_whole_is_refused_in_a_sentence_and_nothing_is_stored(
    project: Project, tmp_path: Path, spoil: str, sentence: str
) -> None:
    folder = sift(tmp_path, corpus(40))
    shard = folder / "out" / f"00{ENDING}"
    if spoil == "no run.json":
        (folder / "run.json").unlink()
    elif spoil == "no out":
        (folder / "out").rename(folder / "elsewhere")
    elif spoil == "no report":
        (folder / "out" / "reports" / f"00{ENDING}.json").unlink()
    elif spoil == "unfinished":
        (folder / "out" / f"01{ENDING}").unlink()
    elif spoil == "another recipe":
        told = json.loads((folder / "run.json").read_text())
        told["recipe"]["heuristics"]["bounds"]["num_words"]["low"] = 60
        (folder / "run.json").write_text(json.dumps(told))
    elif spoil in ("changed kept", "changed input"):
        path = shard if spoil == "changed kept" else tmp_path / "in" / shard.name
        documents = list(read_shard(path))
        with ShardWriter(path) as out:
            for document in [*documents[1:], documents[0].model_copy(update={"text": "changed"})]:
                out.write(document)
    else:
        shard.write_bytes(shard.read_bytes()[:-20])
    with pytest.raises(CommandError, match=sentence):
        call_command("import_document_review", str(folder), "--project", project.slug, "--name", "first")
    assert not DocumentReview.objects.exists()


def test_wrong_options_are_refused_in_a_sentence(project: Project, tmp_path: Path) -> None:
    folder = str(sift(tmp_path, corpus(40)))
    told = ("import_document_review", folder, "--project", project.slug)
    with pytest.raises(CommandError, match="choose among num_words, ellipsis_lines"):
        call_command(*told, "--name", "a", "--filter", "taste")
    with pytest.raises(CommandError, match="no name of a review"):
        call_command(*told, "--name", "a b")
    with pytest.raises(CommandError, match="give 1 to 20000"):
        call_command(*told, "--name", "a", "--documents", "0")
    call_command(*told, "--name", "a", "--filter", "num_words")
    with pytest.raises(CommandError, match="a review 'a' already"):
        call_command(*told, "--name", "a")
    with pytest.raises(CommandError, match="Nobody has judged"):
        call_command("apply_document_review", "a", "--project", project.slug)
    with pytest.raises(CommandError, match="no document review 'b'"):
        call_command("apply_document_review", "b", "--project", project.slug)


def test_texts_that_are_too_large_or_cannot_be_stored_are_taken_as_far_as_they_can_be_seen(
    project: Project, tmp_path: Path
) -> None:
    documents = [
        Document(text="word " * 100_000, source="a", offset=1),
        Document(text=f"\0\x1b[2J\u202e{prose(1)}", source="a\0b", offset=2, url="https://e.org/\0"),
    ]
    folder = sift(tmp_path, documents, RECIPE, num=1)
    review = review_import(project, folder, name="first", size=10)
    large, hostile = review.documents.order_by("offset")
    assert len(large.text) == 200_000 and large.num_characters == 500_000 and large.is_cut
    assert hostile.text.startswith("\ufffd\x1b[2J") and hostile.url == "https://e.org/\ufffd"
    judge_all(review, [make_annotator(project)], people_would_drop)
    assert len(list(label_lines(review, {}))) == 1  # a classifier learns from whole texts alone


def test_a_review_stores_the_run_as_its_program_read_it(project: Project, tmp_path: Path) -> None:
    review = make_review(project, tmp_path, size=2)
    recipe = SiftRecipe.model_validate(review.run["recipe"])
    assert recipe.heuristics is not None and RECIPE.heuristics is not None
    assert recipe.heuristics.rules() == RECIPE.heuristics.rules()
    assert review.run["documents"] == str(tmp_path / "in")


@pytest.mark.django_db(transaction=True)
def test_people_at_once_get_no_document_more_often_than_asked(tmp_path: Path) -> None:
    project = make_project()
    review = make_review(project, tmp_path, size=30)
    people = [make_annotator(project, f"p{number}") for number in range(6)]

    def work(place: int) -> int:
        try:
            return judge_all(review, [people[place]])
        finally:
            connection.close()

    with ThreadPoolExecutor(len(people)) as pool:
        done = sum(pool.map(work, range(len(people))))
    assert done == 30
    assert Reading.objects.count() == 30


@pytest.mark.django_db(transaction=True)
def test_an_import_that_is_killed_while_it_stores_leaves_nothing_and_can_be_repeated(
    tmp_path: Path, process_environment: dict[str, str]
) -> None:
    project = make_project()
    folder = sift(tmp_path, corpus(60))
    told = ("import_document_review", str(folder), "--project", project.slug, "--name", "first")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("LOCK TABLE reviewing_revieweddocument IN EXCLUSIVE MODE")
        process = subprocess.Popen(
            [sys.executable, "manage.py", *told], cwd=REPOSITORY, env=process_environment
        )
        try:
            until = time.monotonic() + 60
            waiting = 0
            while not waiting and time.monotonic() < until:
                time.sleep(0.05)
                cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                waiting = cursor.fetchone()[0]
            assert waiting, "the import never came to store its documents"
        finally:
            process.kill()
            process.wait()
    assert not DocumentReview.objects.exists()
    call_command(*told)
    assert DocumentReview.objects.get().documents.count() == 60
