"""Reading two answers: scrolling them together, their difference, right-to-left and CJK text, zoom."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from annotation.models import Comparison, Project, Response
from annotation.services.opting import sensitive_opt
from tests.e2e.browser import PATIENCE_MS, Window
from tests.e2e.judging import press

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LONG = "\n\n".join(f"Paragraph {number} says that patience is a virtue." for number in range(120))
SHORTER = "\n\n".join(f"Paragraph {number} says that haste is a vice." for number in range(60))
TOPS = "() => [...document.querySelectorAll('.answer-body')].map((body) => body.scrollTop)"
SHARES = (
    "() => [...document.querySelectorAll('.answer-body')]"
    ".map((body) => body.scrollTop / (body.scrollHeight - body.clientHeight))"
)


def answer_with(project: Project, left: str, right: str) -> None:
    """The first comparison of the project has these two answers."""
    comparison = Comparison.objects.filter(project=project).earliest("pk")
    Response.objects.filter(pk=comparison.left_id).update(content=left)
    Response.objects.filter(pk=comparison.right_id).update(content=right)


def wait_until(page: Page, condition: str) -> None:
    """Until an expression is true. Playwright's own waiting needs eval, which the page's policy forbids."""
    page.evaluate(
        f"() => new Promise((done, fail) => {{ setTimeout(fail, {PATIENCE_MS}, 'never so');"
        f" const look = () => ({condition}) ? done() : requestAnimationFrame(look); look(); }})"
    )


def scroll_right_pane(page: Page, top: int) -> None:
    """As a wheel would, and wait until all that follows from it has happened."""
    page.evaluate(
        "(top) => new Promise((done) => {"
        " document.querySelector('.answer[data-side=right] .answer-body').scrollTop = top;"
        " setTimeout(done, 150); })",
        top,
    )


def test_long_answers_scroll_together_in_proportion_until_one_says_apart(
    project: Project, at_work: Callable[[], Window]
) -> None:
    answer_with(project, LONG, SHORTER)
    page = at_work().page
    expect(page.get_by_role("button", name="Scroll together")).to_have_attribute("aria-pressed", "true")
    scroll_right_pane(page, 500)
    left, right = page.evaluate(SHARES)
    assert 0.1 < right < 0.9
    assert abs(left - right) < 0.01
    press(page, "l")
    before, _ = page.evaluate(TOPS)
    scroll_right_pane(page, 0)
    assert page.evaluate(TOPS) == [before, 0]
    page.reload()
    expect(page.get_by_role("button", name="Scroll together")).to_have_attribute("aria-pressed", "false")
    press(page, "l", "j")
    wait_until(page, f"({SHARES})().every((share) => share > 0.05)")
    press(page, "k")
    wait_until(page, f"({TOPS})().every((top) => top === 0)")


def test_a_low_or_narrow_window_scrolls_as_a_whole(project: Project, at_work: Callable[[], Window]) -> None:
    answer_with(project, LONG, SHORTER)
    page = at_work().page
    together = page.get_by_role("button", name="Scroll together")
    expect(together).to_be_visible()
    page.set_viewport_size({"width": 640, "height": 450})  # what 1280 by 900 is at 200% zoom
    expect(together).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator(".dock").evaluate("(dock) => getComputedStyle(dock).position") == "static"
    press(page, "j")
    wait_until(page, "scrollY > 100")


def test_the_words_that_only_one_answer_has_are_marked(
    project: Project, at_work: Callable[[], Window]
) -> None:
    answer_with(project, "The sky is blue.\n\n我喜欢猫", "The sky is green.\n\n我喜欢狗")
    page = at_work().page
    press(page, "d")
    marks = "(answer) => [...answer.querySelectorAll('mark')].map((mark) => mark.textContent)"
    assert page.locator(".answer[data-side=left]").evaluate(marks) == ["blue", "猫"]
    assert page.locator(".answer[data-side=right]").evaluate(marks) == ["green", "狗"]
    expect(page.locator("#difference-words")).to_have_text(
        "2 words stand only in the left answer, 2 only in the right one."
    )
    expect(page.locator("#announce")).to_contain_text("only in the left answer")
    press(page, "d")
    expect(page.locator(".answer-difference").first).to_be_hidden()
    expect(page.locator(".answer-text").first).to_be_visible()


def test_each_paragraph_has_its_own_direction_also_in_the_difference(
    project: Project, at_work: Callable[[], Window]
) -> None:
    answer_with(project, "Hello there.\n\nمرحبا بكم في البيت.", "Hello here.\n\nمرحبا بكم في المكتب.")
    page = at_work().page
    paragraphs = page.locator(".answer[data-side=left] .answer-text p")
    assert paragraphs.evaluate_all("(all) => all.map((p) => getComputedStyle(p).direction)") == [
        "ltr",
        "rtl",
    ]
    press(page, "d")
    first, second = page.locator(".answer[data-side=left] mark").evaluate_all(
        "(marks) => marks.map((mark) => { const box = mark.getBoundingClientRect(),"
        " all = mark.parentElement.getBoundingClientRect();"
        " return (box.left + box.right) / 2 < (all.left + all.right) / 2; })"
    )
    assert first, "English begins on the left"
    assert not second, "Arabic begins on the right"


def test_sensitive_texts_are_blurred_and_silent_until_shown(
    project: Project, annotator: User, at_work: Callable[[], Window]
) -> None:
    Project.objects.update(sensitive=True)
    sensitive_opt(project, annotator, agree=True)
    page = at_work().page
    hidden = "() => [...document.querySelectorAll('.context, .answer-body')].map((part) => part.inert)"
    blurs = "(body) => getComputedStyle(body).filter"
    assert page.evaluate(hidden) == [True, True, True]
    assert "blur" in page.locator(".answer-body").first.evaluate(blurs)
    page.locator(".answer[data-side=right]").get_by_role("button", name="Show").click()
    assert page.evaluate(hidden) == [True, True, False]
    press(page, "v")
    assert page.evaluate(hidden) == [False, False, False]
    assert page.locator(".answer-body").first.evaluate(blurs) == "none"
    press(page, "v")
    page.get_by_role("button", name="Always show").click()
    page.reload()
    page.locator("[data-comparison]").wait_for()
    assert page.evaluate(hidden) == [False, False, False]
