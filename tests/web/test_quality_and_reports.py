"""The quality page and the reports page: what they say, to whom, and at what cost."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.fixtures import Settings

from accounts.models import Role, User
from accounts.services import user_create
from annotation.figures import quality
from annotation.figures.reports import project_report
from annotation.models import Comparison, Judgement, Project, Response, Side
from annotation.records import Strength
from annotation.text import count_words
from tests.annotation.factories import make_annotator, make_comparison, make_project

pytestmark = pytest.mark.django_db

START = datetime(2026, 3, 2, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_cache(settings: Settings) -> None:
    """Ids come again in each test's transaction, and with them the keys of what is kept."""
    settings.CACHES = settings.CACHES | {
        "process": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"}
    }


@pytest.fixture
def project() -> Project:
    return make_project(name="Helpful answers")


@pytest.fixture
def browser() -> Client:
    client = Client()
    client.force_login(user_create(username="maria", role=Role.ADMIN))
    return client


def judge(
    comparison: Comparison,
    annotator: User,
    preferred: Side = Side.LEFT,
    strength: Strength = Strength.BETTER,
    *,
    seconds: float | None = 40.0,
    days: int = 0,
) -> Judgement:
    """A judgement given some days after START."""
    Comparison.objects.filter(pk=comparison.pk).update(
        needed=9, num_judgements=comparison.judgements.count() + 1
    )
    return Judgement.objects.create(
        comparison=comparison,
        annotator=annotator,
        preferred=preferred,
        strength=strength,
        seconds=seconds,
        idempotency_key=f"{comparison.pk}",
        created_at=START + timedelta(days=days),
    )


def judged_project(project: Project, num_people: int, num_comparisons: int) -> None:
    """Everybody judges everything: the first person always left, the others what is better."""
    people = [make_annotator(project, f"person-{number}") for number in range(num_people)]
    for number in range(num_comparisons):
        comparison = make_comparison(project, f"question {number}", domain=f"domain {number % 2}")
        better = Side.LEFT if number % 3 else Side.RIGHT
        for place, person in enumerate(people):
            judge(comparison, person, better if place else Side.LEFT)


def test_empty_pages_say_so(project: Project, browser: Client) -> None:
    for page in ("quality", "reports"):
        text = browser.get(f"/projects/{project.slug}/{page}/").content.decode()
        assert "Nothing judged yet" in text


def test_one_annotator_alone_gives_no_agreement_and_no_nan(project: Project, browser: Client) -> None:
    judge(make_comparison(project, "Why?"), make_annotator(project), seconds=None)
    text = browser.get(f"/projects/{project.slug}/quality/").content.decode()
    assert "No comparison was judged twice" in text
    assert "not defined" in text
    assert "nan" not in text.lower()
    report = browser.get(f"/projects/{project.slug}/reports/").content.decode()
    assert "nan" not in report.lower()


def test_the_quality_page_names_people_and_what_stands_out(project: Project, browser: Client) -> None:
    judged_project(project, 3, 24)
    text = browser.get(f"/projects/{project.slug}/quality/").content.decode()
    for name in ("person-0", "person-1", "domain 0", "domain 1", "person-1 and person-2"):
        assert name in text
    found = quality.project_quality(project, patient=True)
    assert isinstance(found, quality.ProjectQuality)
    always_left, honest, _ = found.figures.people
    assert always_left.prefers_left is not None
    assert always_left.prefers_left.value == 1
    assert always_left.reliability is not None
    assert honest.reliability is not None
    assert always_left.reliability < honest.reliability
    assert text.count("stands out") == 2  # left answers are the longer ones here


def test_flagged_and_withdrawn_comparisons_do_not_count(project: Project, browser: Client) -> None:
    judged_project(project, 2, 2)
    Comparison.objects.filter(project=project).update(state=Comparison.State.WITHDRAWN)
    for page in ("quality", "reports"):
        assert "Nothing judged yet" in browser.get(f"/projects/{project.slug}/{page}/").content.decode()


@pytest.mark.parametrize("page", ["quality", "reports"])
def test_the_number_of_statements_does_not_grow(project: Project, browser: Client, page: str) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert browser.get(f"/projects/{project.slug}/{page}/").status_code == 200
        return len(captured)

    judged_project(project, 2, 3)
    few = statements()
    for number in range(8):
        comparison = make_comparison(
            project, f"more {number}", domain=f"new {number}", round_number=number + 1
        )
        judge(comparison, make_annotator(project, f"new-{number}"))
    assert statements() == few <= 14


def test_very_many_judgements_are_read_in_a_second_request(
    project: Project, browser: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quality, "MANY", 3)
    judged_project(project, 2, 2)
    url = f"/projects/{project.slug}/quality/"
    first = browser.get(url).content.decode()
    assert f'hx-get="{url}"' in first
    assert "person-0" not in first
    assert "person-0" in browser.get(url, headers={"HX-Request": "true"}).content.decode()


def test_figures_are_kept_until_there_is_another_judgement(project: Project, settings: Settings) -> None:
    settings.CACHES = settings.CACHES | {
        "process": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    }
    judged_project(project, 2, 2)
    quality.project_quality(project, patient=True)
    with CaptureQueriesContext(connection) as captured:
        quality.project_quality(project, patient=True)
    assert len(captured) == 2  # how many there are, and the names
    judge(make_comparison(project, "One more"), make_annotator(project, "late"))
    found = quality.project_quality(project, patient=True)
    assert isinstance(found, quality.ProjectQuality)
    assert found.figures.overall.num_judgements == 5


def test_the_recipes_table_by_hand(project: Project) -> None:
    ann = make_annotator(project)
    judge(make_comparison(project, "What is two and two?", answers=("It is 4", "5"), domain="maths"), ann)
    for question in ("Say hello", "Say 你好, please", "Now"):
        judge(make_comparison(project, question, answers=("a b c", "d"), domain="talk"), ann)
    make_comparison(project, "never judged " * 50, domain="unseen")
    report = project_report(project, None)
    assert report is not None
    rows = {domain: (share, sizes) for domain, sizes, share in report.domains}
    assert list(rows) == ["talk", "maths"]
    share, sizes = rows["talk"]
    assert share == 0.75
    assert sizes.turns_per_dialog == 1
    assert sizes.words_per_prompt == (2 + 5 + 1) / 3  # the two signs and the comma between
    assert sizes.words_per_response == 2
    assert sizes.words_per_example == 20 / 3
    assert rows["maths"][1].words_per_response == 2
    assert report.total.comparisons == 4
    assert report.total.tokens_per_word is None


def test_turns_are_those_of_the_dialogs_last_comparison(project: Project) -> None:
    ann = make_annotator(project)
    first = make_comparison(project, "one")
    context = [
        *first.context,
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": "and two"},
    ]
    answers = [Response.objects.create(project=project, content="x", num_tokens=3) for _ in range(2)]
    second = Comparison.objects.create(
        project=project,
        dialog=first.dialog,
        turn=1,
        round=1,
        context=context,
        left=answers[0],
        right=answers[1],
    )
    judge(first, ann)
    judge(second, ann)
    report = project_report(project, None)
    assert report is not None
    assert report.total.turns_per_dialog == 2
    assert report.total.words_per_prompt == 1.5
    assert report.total.tokens_per_word == 3


def test_reports_are_by_round_and_count_active_time(project: Project, browser: Client) -> None:
    ann = make_annotator(project)
    for number, (round_number, seconds) in enumerate(((1, 60.0), (1, 8 * 3600.0), (2, None))):
        comparison = make_comparison(project, f"question {number}", round_number=round_number)
        judge(comparison, ann, strength=list(Strength)[number], seconds=seconds, days=3 * number)
    whole, first = project_report(project, None), project_report(project, 1)
    assert whole is not None
    assert first is not None
    assert (whole.whole.num_judgements, first.whole.num_judgements) == (3, 2)
    assert whole.whole.active_seconds == 60 + 15 * 60  # a page left open counts for a quarter of an hour
    assert first.per_active_hour == pytest.approx(2 / (16 / 60))
    assert [period.num_judgements for period in whole.periods] == [1, 0, 0, 1, 0, 0, 1]
    assert whole.num_days == 3
    assert whole.periods[3].by_strength == [0, 1, 0, 0]
    url = f"/projects/{project.slug}/reports/"
    assert "of round 2" in browser.get(f"{url}?round=2").content.decode()
    assert "<h1" not in browser.get(url, headers={"HX-Request": "true"}).content.decode()
    assert browser.get(f"{url}?round=99").status_code == 200


def test_long_times_are_drawn_in_few_bars(project: Project) -> None:
    ann = make_annotator(project)
    for number in range(3):
        judge(make_comparison(project, f"question {number}"), ann, days=200 * number)
    report = project_report(project, None)
    assert report is not None
    assert len(report.periods) <= 60
    assert sum(period.num_judgements for period in report.periods) == 3
    assert report.periods[-1].last == report.whole.last


TEXTS = (
    "",
    " \n\t ",
    "one",
    "two words",
    "tabs\tand\nlines\r\n\u00a0\u3000\u2003end",
    "你好，世界 hello",
    "カタカナ mixed with 漢字x漢",
    "안녕 하세요",
    "emoji 👩‍🔬 🇩🇪 \u200b zero\u200bwidth",
    "\\n literal \"quotes\" $\\nabla f$ {} [] %s 'x'",
    "عربي نص قصير",
    "a" * 3000,
)


def test_the_database_counts_words_as_python_does(project: Project) -> None:
    for text in TEXTS:
        response = Response.objects.create(project=project, content=text, model_name="m")
        assert response.num_words == count_words(text), text
    comparison = make_comparison(project, "last words here")
    comparison.context = [{"role": "user", "content": text} for text in TEXTS]
    comparison.save()
    comparison.refresh_from_db()
    assert comparison.context_words == sum(count_words(text) for text in TEXTS)
    assert comparison.num_turns == len(TEXTS)
    assert comparison.prompt_words == 1
