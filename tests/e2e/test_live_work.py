"""Dialogs that go on while one judges others: shown while they are written, next when they are there."""

import time
from collections.abc import Callable, Sequence

import pytest
from playwright.sync_api import Page, expect

from accounts.models import User
from annotation.models import Edit, PairRequest, Project, Refinement, Response
from annotation.services import pair_run, refinement_run
from registry.client import Completion
from registry.models import Checkpoint, Deployment
from tests.e2e.browser import Window
from tests.e2e.judging import press, shown_comparison, wait_for_another

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


class Says:
    """A model that always says the same."""

    def __init__(self, words: str) -> None:
        self._words = words

    def complete(self, contexts: Sequence[object], **_: object) -> list[list[Completion]]:
        """As the client of a real one."""
        answer = Completion(content=self._words, num_tokens=5, finish="stop", seconds=0.1)
        return [[answer] for _ in contexts]


def deploy(project: Project) -> None:
    """Two models."""
    for name in ("orchid-secret-a", "orchid-secret-b"):
        checkpoint = Checkpoint.objects.create(name=name, kind=Checkpoint.Kind.DPO, path=f"/{name}")
        project.deployments.add(
            Deployment.objects.create(name=name, served_name=name, checkpoint=checkpoint, state="live")
        )


def write() -> None:
    """What a worker would do."""
    pair_run(PairRequest.objects.get().pk, client_for=lambda each: Says(f"Yes, {each.name[-1]} says."))


def go_on(page: Page) -> str | None:
    """Judge, and write the next message of the dialog."""
    number = shown_comparison(page)
    dialog = page.locator("[data-comparison]").get_attribute("data-dialog")
    press(page, "2", "n")
    page.keyboard.type("And for tuples?")
    press(page, "Control+Enter")
    wait_for_another(page, number)
    return dialog


def test_a_dialog_is_answered_while_one_judges_another_and_comes_next(
    project: Project, at_work: Callable[[], Window]
) -> None:
    deploy(project)
    page = at_work().page
    dialog = go_on(page)
    expect(page.locator(".turns-item")).to_contain_text("two answers are being written")
    expect(page.locator(".turns-item q")).to_have_text("And for tuples?")
    assert page.locator("[data-comparison]").get_attribute("data-dialog") != dialog
    write()
    number = shown_comparison(page)
    press(page, "6", "Enter")
    wait_for_another(page, number)
    expect(page.locator("[data-comparison]")).to_have_attribute("data-dialog", dialog or "")
    expect(page.locator(".context > .turn")).to_contain_text("And for tuples?")
    expect(page.get_by_text("Yes, a says.")).to_be_visible()
    expect(page.locator(".turns-item")).to_have_count(0)


def test_where_nothing_else_is_left_the_pair_appears_by_itself(
    project: Project, at_work: Callable[[], Window]
) -> None:
    deploy(project)
    page = at_work().page
    dialog = go_on(page)
    for last in (False, True):
        number = shown_comparison(page)
        press(page, "6", "Enter")
        if not last:
            wait_for_another(page, number)
    expect(page.locator(".empty-title")).to_have_text("Two answers are being written")
    write()
    expect(page.locator("[data-comparison]")).to_have_attribute("data-dialog", dialog or "")
    waited = PairRequest.objects.get().waited_seconds
    assert waited is not None and waited > 0


def test_a_dialog_that_cannot_go_on_keeps_the_message_and_offers_a_way_out(
    at_work: Callable[[], Window],
) -> None:
    page = at_work().page
    go_on(page)
    write()
    item = page.locator(".turns-item")
    expect(item).to_contain_text("Two different live models are needed")
    expect(item.locator("q")).to_have_text("And for tuples?")
    item.get_by_role("button", name="Try again").click()
    expect(item).to_contain_text("being written")
    item.get_by_role("button", name="Drop it").click()
    expect(item).to_have_count(0)


def test_a_message_that_could_not_be_sent_is_sent_later(
    project: Project, at_work: Callable[[], Window]
) -> None:
    window = at_work()
    page = window.page
    page.route("**/turn", lambda route: route.abort())
    go_on(page)
    page.unroute("**/turn")
    page.reload()
    expect(page.locator(".turns-item q")).to_have_text("And for tuples?")
    assert PairRequest.objects.count() == 1
    window.problems.clear()


def asked_again() -> Refinement:
    """The second refinement: the page says that it is asked for before the server has heard of it."""
    deadline = time.monotonic() + 20
    while Refinement.objects.count() < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return Refinement.objects.latest("pk")


def test_an_answer_is_refined_until_it_is_flawless(project: Project, at_work: Callable[[], Window]) -> None:
    deploy(project)
    models = {each.name: each.checkpoint for each in Deployment.objects.select_related("checkpoint")}
    for response in Response.objects.all():
        response.checkpoint = models[response.model_name]
        response.save()
    page = at_work().page
    original = page.locator(".answer[data-side=right] .answer-body").inner_text()
    press(page, "r", "7", "r")
    page.keyboard.type("shorter; the date is wrong")
    expect(page.locator("#saved")).to_have_text("Draft saved")
    page.reload()
    expect(page.locator("#feedback")).to_have_value("shorter; the date is wrong")
    page.locator("#feedback").press("Enter")
    expect(page.locator("#refine-said")).to_contain_text("being written anew")
    assert page.locator("#edited").is_editable() is False
    page.reload()
    expect(page.locator("#refine-said")).to_contain_text("being written anew")
    page.get_by_role("button", name="Cancel").first.click()
    assert page.locator("#edited").is_editable()
    expect(page.locator("#feedback")).to_have_value("shorter; the date is wrong")

    page.locator("#feedback").press("Enter")
    expect(page.locator("#refine-said")).to_contain_text("being written anew")
    newest = asked_again()
    refinement_run(newest.pk, client_for=lambda each: Says("In **1969**."))
    expect(page.locator("#edited")).to_have_value("In **1969**.")
    expect(page.locator("#feedback")).to_be_focused()
    page.get_by_role("button", name="Undo").click()
    expect(page.locator("#edited")).not_to_have_value("In **1969**.")
    page.locator("#edited").fill("In **1969**.")
    number = shown_comparison(page)
    page.locator("#edited").press("Control+Enter")
    wait_for_another(page, number)
    assert Edit.objects.get().model_name == "orchid-secret-b"
    assert original
    states = Refinement.objects.order_by("pk").values_list("state", flat=True)
    assert list(states) == ["cancelled", "ready"]


def test_a_first_prompt_is_drawn_or_written_and_its_pair_comes_next(
    project: Project, annotator: User, at_work: Callable[[], Window]
) -> None:
    deploy(project)
    Project.objects.update(live=True)
    page = at_work().page
    press(page, "p")
    dialog = page.locator("#first-prompt")
    dialog.get_by_role("button", name="Draw one from the set").click()
    drawn = dialog.locator(".first-prompt-context").text_content() or ""
    dialog.get_by_role("button", name="Draw another").click()
    expect(dialog.locator(".first-prompt-context")).not_to_have_text(drawn)
    # Its answer comes after one has turned to writing.
    dialog.get_by_role("button", name="Draw another").click()
    dialog.get_by_role("button", name="Write my own").click()
    page.keyboard.type("Which birds cannot fly?")
    dialog.get_by_role("button", name="Ask two models").click()
    expect(page.locator(".turns-item q")).to_have_text("Which birds cannot fly?")
    write()
    number = shown_comparison(page)
    press(page, "3", "Enter")
    wait_for_another(page, number)
    expect(page.locator(".context > .turn")).to_contain_text("Which birds cannot fly?")
    expect(page.get_by_text("Yes, b says.")).to_be_visible()
