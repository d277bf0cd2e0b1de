"""An annotator's work in the browser: everything from the keyboard."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from accounts.models import Role
from accounts.services import user_create
from annotation.models import Assignment, Comparison, Flag, Judgement, Project
from annotation.services import membership_set
from tests.e2e.browser import Window
from tests.e2e.conftest import OpenWindow
from tests.e2e.judging import press, shown_comparison, wait_for_another

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PASSWORD = "a quiet morning in June"
EDITED = "A dictionary keeps the order in which keys were added."


def test_an_annotator_logs_in_judges_with_the_keyboard_alone_and_loses_nothing_by_reloading(
    project: Project, quick_passwords: None, open_window: OpenWindow
) -> None:
    user = user_create(username="aiko", password=PASSWORD)
    membership_set(project, user, Role.ANNOTATOR)
    window = open_window()
    page = window.page
    window.open("/login/")
    page.keyboard.type("aiko")
    press(page, "Tab")
    page.keyboard.type(PASSWORD)
    press(page, "Enter")
    page.get_by_role("link", name="Compare").focus()
    press(page, "Enter")
    page.locator("[data-comparison]").wait_for()

    press(page, "2")
    expect(page.locator("#choice-words")).to_have_text("Left is better")
    press(page, "e", "Control+a")
    page.keyboard.insert_text(EDITED)
    expect(page.locator("#difference ins").first).to_be_visible()
    press(page, "Escape", "c")
    page.keyboard.type("shorter and right")
    expect(page.locator("#saved")).to_have_text("Draft saved")

    page.reload()
    expect(page.locator("#saved")).to_have_text("Draft restored")
    expect(page.locator("#choice-words")).to_have_text("Left is better")
    expect(page.get_by_label("The edited answer")).to_have_value(EDITED)
    expect(page.locator("#comment")).to_have_value("shorter and right")

    number = shown_comparison(page)
    press(page, "Enter")
    wait_for_another(page, number)
    expect(page.locator("#done-today")).to_have_text("1 done today")
    judgement = Judgement.objects.select_related("edit").get()
    assert (judgement.annotator, judgement.comparison_id) == (user, number)
    assert (judgement.preferred, judgement.strength) == ("left", "better")
    assert judgement.edit.content == EDITED
    assert judgement.comment == "shorter and right"


def test_each_key_of_the_scale_says_what_it_should(at_work: Callable[[], Window]) -> None:
    page = at_work().page
    said = []
    for key in "12345678":
        press(page, key)
        said.append(page.locator("#choice-words").inner_text())
    strengths = ["significantly better", "better", "slightly better", "marginally better"]
    assert said == [f"Left is {words}" for words in strengths] + [
        f"Right is {words}" for words in reversed(strengths)
    ]


def test_submitting_needs_a_choice(at_work: Callable[[], Window]) -> None:
    page = at_work().page
    press(page, "Enter")
    expect(page.locator(".toast")).to_contain_text("First choose the better answer")
    assert not Judgement.objects.exists()


def test_keys_typed_into_a_text_choose_nothing(at_work: Callable[[], Window]) -> None:
    page = at_work().page
    press(page, "c")
    page.keyboard.type("3 facts are wrong, see §8?")
    assert page.locator("[name=choice]:checked").count() == 0
    expect(page.locator("#comment")).to_have_value("3 facts are wrong, see §8?")
    press(page, "Escape", "7")
    expect(page.locator("#choice-words")).to_have_text("Right is better")
    press(page, "c", "Control+Enter")
    expect(page.locator("#done-today")).to_have_text("1 done today")
    assert Judgement.objects.get().comment == "3 facts are wrong, see §8?"


def test_reasons_are_sent_with_the_judgement(at_work: Callable[[], Window]) -> None:
    page = at_work().page
    press(page, "1")
    page.get_by_text("More correct").click()
    page.get_by_text("Clearer").click()
    press(page, "Enter")
    expect(page.locator("#done-today")).to_have_text("1 done today")
    judgement = Judgement.objects.get()
    assert judgement.reasons == ["correct", "clear"]
    assert judgement.seconds is not None


def test_an_edit_of_one_answer_is_not_lost_by_choosing_the_other(at_work: Callable[[], Window]) -> None:
    page = at_work().page
    press(page, "1", "e")
    page.keyboard.type("Really: ")
    press(page, "Escape", "8")
    expect(page.locator(".toast")).to_contain_text("discard that edit first")
    expect(page.locator("#choice-words")).to_have_text("Left is significantly better")
    page.get_by_role("button", name="Discard edit").click()
    press(page, "8")
    expect(page.locator("#choice-words")).to_have_text("Right is significantly better")
    press(page, "Enter")
    expect(page.locator("#done-today")).to_have_text("1 done today")
    assert not hasattr(Judgement.objects.get(), "edit")


def test_an_edit_that_changes_nothing_is_none(at_work: Callable[[], Window]) -> None:
    page = at_work().page
    press(page, "1", "e", "Control+Enter")
    expect(page.locator("#done-today")).to_have_text("1 done today")
    assert not hasattr(Judgement.objects.get(), "edit")


def test_the_preview_of_an_edit_is_rendered(at_work: Callable[[], Window]) -> None:
    page = at_work().page
    press(page, "1", "e", "Control+a")
    page.keyboard.insert_text("**bold** <script>alert(1)</script>")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview strong")).to_have_text("bold")
    assert page.locator("#preview script").count() == 0


def test_skipping_hands_it_to_others(project: Project, at_work: Callable[[], Window]) -> None:
    membership_set(project, user_create(username="aiko"), Role.ANNOTATOR)
    page = at_work().page
    number = shown_comparison(page)
    press(page, "s")
    page.keyboard.type("outside what I know")
    press(page, "Enter")
    wait_for_another(page, number)
    assert Assignment.objects.get(comparison=number).state == Assignment.State.SKIPPED
    assert Comparison.objects.get(pk=number).state == Comparison.State.OPEN


def test_escape_leaves_the_skip_dialog_without_skipping(at_work: Callable[[], Window]) -> None:
    page = at_work().page
    number = shown_comparison(page)
    press(page, "s", "Escape", "3")
    expect(page.locator("#choice-words")).to_have_text("Left is slightly better")
    assert shown_comparison(page) == number


def test_flagging_takes_it_out_of_everybodys_hands(at_work: Callable[[], Window]) -> None:
    page = at_work().page
    number = shown_comparison(page)
    press(page, "f", "ArrowDown", "Tab")
    page.keyboard.type("a telephone number")
    press(page, "Tab", "Tab", "Enter")
    wait_for_another(page, number)
    flag = Flag.objects.get()
    assert (flag.comparison_id, flag.reason) == (number, Flag.Reason.PERSONAL_DATA)
    assert flag.comment == "a telephone number"


def test_when_all_is_judged_the_page_says_so(at_work: Callable[[], Window]) -> None:
    page = at_work().page
    for done in range(3):
        number = shown_comparison(page)
        press(page, "6", "Enter")
        if done < 2:
            wait_for_another(page, number)
    expect(page.get_by_text("All caught up").first).to_be_visible()
    expect(page.locator("#done-today")).to_have_text("3 done today")
    assert Judgement.objects.count() == 3


def test_help_and_guidelines_open_from_the_keyboard(at_work: Callable[[], Window]) -> None:
    page = at_work().page
    press(page, "?")
    expect(page.locator("#help-dialog")).to_be_visible()
    press(page, "1", "Escape")
    expect(page.locator("#help-dialog")).to_be_hidden()
    assert page.locator("[name=choice]:checked").count() == 0
    press(page, "g")
    expect(page.get_by_role("complementary", name="Guidelines")).to_be_visible()
    press(page, "g")
    expect(page.get_by_role("complementary", name="Guidelines")).to_be_hidden()


def test_no_model_is_named_in_anything_the_browser_receives(at_work: Callable[[], Window]) -> None:
    window = at_work()
    page = window.page
    received: list[str] = []
    page.on("response", lambda response: received.append(f"{response.headers} {response.text()}"))
    number = shown_comparison(page)
    press(page, "2", "Enter")
    wait_for_another(page, number)
    page.wait_for_load_state("networkidle")
    assert len(received) >= 2
    assert not [text for text in received if "orchid-secret" in text]


def test_the_theme_switch_is_remembered(at_work: Callable[[], Window]) -> None:
    page = at_work().page
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
