"""Reviews drawn from the page: by a worker, with signs of life, once, and with a sentence where it fails."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks, Settings

from accord.celery import app
from accounts.models import Role, User
from accounts.services import user_create
from annotation.models import Project
from reviewing.import_jobs import TASK
from reviewing.import_running import import_run
from reviewing.models import DocumentReview, ReviewImport
from tests.annotation.factories import make_project
from tests.reviewing.factories import RECIPE, corpus, sift, sift_again

pytestmark = pytest.mark.django_db
RUN = "pretrain/base/3-sift"


@pytest.fixture
def project(tmp_path: Path, settings: Settings) -> Project:
    settings.ACCORD_RUNS = tmp_path / "runs"
    sift(tmp_path, corpus(60))
    sift_again(tmp_path / "runs" / RUN, tmp_path / "in", RECIPE)
    return make_project()


@pytest.fixture
def admin() -> User:
    return user_create(username="boss", role=Role.ADMIN)


def ask(project: Project, admin: User, **told: object) -> ReviewImport | None:
    """Fill the form in; the job it makes."""
    client = Client()
    client.force_login(admin)
    fields = {"run": RUN, "name": "spring", "size": 20, "people_each": 2, **told}
    before = ReviewImport.objects.count()
    answer = client.post(f"/projects/{project.slug}/documents/import/", fields, follow=True)
    assert answer.status_code == 200
    if ReviewImport.objects.count() > before:
        assert "Waiting for a worker" in answer.content.decode()
        return ReviewImport.objects.first()
    assert "data-level=" in answer.content.decode()
    return None


def test_a_worker_draws_what_the_form_asked_for_once(
    project: Project,
    admin: User,
    broker: str,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        job = ask(project, admin)
    assert job is not None
    app.loader.import_default_modules()
    assert TASK in app.tasks
    for _ in range(2):  # a message that is delivered twice
        import_run(job.pk)
    review = DocumentReview.objects.get()
    assert (review.name, review.people_each, review.created_by) == ("spring", 2, admin)
    assert review.documents.count() == 20
    job.refresh_from_db()
    assert (job.state, job.num_read) == ("done", 180)
    assert ask(project, admin) is None  # the name is taken


def test_what_is_not_offered_is_not_read(project: Project, admin: User, tmp_path: Path) -> None:
    assert ask(project, admin, run="../run") is None
    assert ask(project, admin, size=0) is None
    assert ask(project, admin, name="a b") is None
    assert not ReviewImport.objects.exists()


def test_a_run_that_changed_fails_in_a_sentence_and_a_lost_worker_is_replaced(
    project: Project, admin: User, tmp_path: Path
) -> None:
    job = ask(project, admin)
    assert job is not None
    report = tmp_path / "runs" / RUN / "out" / "reports" / "00.jsonl.zst.json"
    told = report.read_text()
    report.unlink()
    import_run(job.pk)
    job.refresh_from_db()
    assert job.state == "failed" and "finish the sift" in job.error
    report.write_text(told)
    lost = ask(project, admin)
    assert lost is not None
    ReviewImport.objects.filter(pk=lost.pk).update(
        state="running", seen_at=timezone.now() - timedelta(seconds=90)
    )
    client = Client()
    client.force_login(admin)
    page = client.get(f"/projects/{project.slug}/documents/imports/").content.decode()
    assert "Start again" in page and "finish the sift" in page
    client.post(f"/projects/{project.slug}/documents/imports/{lost.pk}/restart/")
    import_run(lost.pk)
    lost.refresh_from_db()
    assert lost.state == "done" and DocumentReview.objects.count() == 1
