"""An annotator's work outlives reloads, broken connections, lost leases and second tabs."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from accounts.models import Role, User
from annotation.models import Assignment, Judgement, Project
from annotation.services import comparison_next, membership_set
from annotation.services.administration import project_update
from tests.e2e.browser import Window
from tests.e2e.judging import press, shown_comparison, wait_for_another
from tests.e2e.sample_site import make_person

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_reloading_right_after_the_last_key_loses_nothing(at_work: Callable[[], Window]) -> None:
    window = at_work()
    page = window.page
    page.route("**/draft", lambda route: route.abort())
    press(page, "6", "c")
    page.keyboard.type("written at the last moment")
    page.reload()
    expect(page.locator("#comment")).to_have_value("written at the last moment")
    expect(page.locator("#choice-words")).to_have_text("Right is slightly better")
    page.unroute("**/draft")
    expect(page.locator("#saved")).to_have_text("Draft saved", timeout=10_000)
    window.problems.clear()


def test_what_is_typed_without_a_connection_is_saved_when_it_is_back(at_work: Callable[[], Window]) -> None:
    window = at_work()
    page = window.page
    page.context.set_offline(True)
    press(page, "4", "c")
    page.keyboard.type("written in a tunnel")
    expect(page.locator("#saved")).to_have_text("Not saved yet: no connection")
    page.context.set_offline(False)
    expect(page.locator("#saved")).to_have_text("Draft saved", timeout=10_000)
    # The next comparison may be in hand by now, too.
    assert Assignment.objects.get(comparison=shown_comparison(page)).draft["comment"] == "written in a tunnel"
    window.problems.clear()


def test_a_submission_whose_answer_was_lost_counts_once(at_work: Callable[[], Window]) -> None:
    window = at_work()
    page = window.page
    lost: list[str] = []

    def lose_the_first_answer(route: object) -> None:
        if lost:
            route.fallback()  # type: ignore[attr-defined]  # Playwright's Route
            return
        lost.append("")
        route.fetch()  # type: ignore[attr-defined]
        route.abort()  # type: ignore[attr-defined]

    page.route("**/judgement", lose_the_first_answer)
    press(page, "2", "Enter")
    expect(page.locator("#done-today")).to_have_text("1 done today")
    assert Judgement.objects.count() == 1
    window.problems.clear()


def test_a_second_tab_learns_that_the_first_has_submitted(at_work: Callable[[], Window]) -> None:
    window = at_work()
    first = window.page
    second = first.context.new_page()
    second.goto(first.url)
    second.locator("[data-comparison]").wait_for()
    number = shown_comparison(first)
    assert shown_comparison(second) == number
    press(first, "1", "Enter")
    wait_for_another(first, number)
    press(second, "8", "c")
    second.keyboard.type("late")
    expect(second.locator(".toast")).to_contain_text("already")
    wait_for_another(second, number)
    assert Judgement.objects.get().preferred == "left"
    window.problems.clear()


def test_a_lease_that_ran_out_is_told_and_the_judgement_still_accepted(
    project: Project, annotator: User, at_work: Callable[[], Window]
) -> None:
    boss = make_person("boss")
    project_update(project, actor=boss, lease_seconds=1)
    page = at_work().page
    expect(page.get_by_text("The time for this comparison has run out.")).to_be_visible()
    press(page, "5", "Enter")
    expect(page.locator("#done-today")).to_have_text("1 done today")


def test_a_comparison_that_went_to_somebody_else_is_explained(
    project: Project, at_work: Callable[[], Window]
) -> None:
    boss, colleague = make_person("boss"), make_person("aiko")
    membership_set(project, colleague, Role.ANNOTATOR)
    project_update(project, actor=boss, lease_seconds=1)
    page = at_work().page
    number = shown_comparison(page)
    expect(page.get_by_text("The time for this comparison has run out.")).to_be_visible()
    project_update(project, actor=boss, lease_seconds=600)
    project.refresh_from_db()
    taken = comparison_next(project, colleague)
    assert taken is not None
    assert taken.comparison_id == number
    press(page, "5", "Enter")
    expect(page.locator(".toast")).to_contain_text("went to somebody else")
    wait_for_another(page, number)
