"""The next comparison is on the page as soon as one is submitted."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, Route, expect

from accounts.models import Role, User
from annotation.models import Assignment, Project
from annotation.services import comparison_next, membership_set
from tests.annotation.test_ahead import run_out
from tests.e2e.browser import Window
from tests.e2e.judging import press, shown_comparison, wait_for_another
from tests.e2e.sample_site import make_person

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def wait_until_kept(page: Page) -> int:
    """Until the page has the next comparison; which one that is."""
    with page.expect_response(lambda response: "ahead=1" in response.url) as answered:
        pass
    answered.value.finished()
    return Assignment.objects.get(state=Assignment.State.RESERVED).comparison_id


def test_it_is_shown_although_the_server_does_not_answer_yet(at_work: Callable[[], Window]) -> None:
    page = at_work().page
    number = shown_comparison(page)
    kept = wait_until_kept(page)
    held: list[Route] = []
    page.route("**/annotate/next/", lambda route: held.append(route))
    press(page, "2", "Enter")
    wait_for_another(page, number)
    assert shown_comparison(page) == kept
    expect(page.locator("#done-today")).to_have_text("1 done today")
    press(page, "7", "c")
    page.keyboard.type("written before the server heard of it")
    expect(page.locator("#saved")).to_have_text("Draft saved")
    held[0].continue_()
    page.unroute("**/annotate/next/")
    page.reload()
    assert shown_comparison(page) == kept
    expect(page.locator("#comment")).to_have_value("written before the server heard of it")


def test_after_a_night_asleep_what_went_to_others_is_not_shown(
    project: Project, annotator: User, at_work: Callable[[], Window]
) -> None:
    page = at_work().page
    number = shown_comparison(page)
    kept = wait_until_kept(page)
    colleague = make_person("aiko")
    membership_set(project, colleague, Role.ANNOTATOR)
    run_out(annotator, "reserved")
    taken = comparison_next(project, colleague)
    assert taken is not None
    assert taken.comparison_id == kept
    page.evaluate("() => { const now = Date.now; Date.now = () => now() + 9 * 3600 * 1000; }")
    press(page, "2", "Enter")
    wait_for_another(page, number)
    assert shown_comparison(page) != kept


def test_two_tabs_go_on_with_the_same_one(at_work: Callable[[], Window]) -> None:
    window = at_work()
    first = window.page
    number = shown_comparison(first)
    wait_until_kept(first)
    second = first.context.new_page()
    second.goto(first.url)
    second.locator("[data-comparison]").wait_for()
    kept = wait_until_kept(second)
    press(first, "1", "Enter")
    wait_for_another(first, number)
    press(second, "8", "Enter")
    wait_for_another(second, number)
    assert shown_comparison(first) == shown_comparison(second) == kept
    window.problems.clear()
