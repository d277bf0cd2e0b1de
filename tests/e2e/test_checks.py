"""The word after a check in the browser, and the work that goes on after it."""

import pytest
from playwright.sync_api import expect

from accounts.models import Role
from annotation.models import Check, Project
from annotation.records import Message
from annotation.services import membership_set
from annotation.services.checks import check_create
from tests.e2e.conftest import OpenWindow
from tests.e2e.judging import press
from tests.e2e.sample_site import make_person

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_the_qualification_tells_after_each_check_and_leads_to_the_work(
    project: Project, open_window: OpenWindow
) -> None:
    Project.objects.filter(pk=project.pk).update(qualification_needed=1)
    check_create(
        project,
        kind=Check.Kind.QUALIFICATION,
        context=[Message(role="user", content="What is 2 + 2?")],
        better="It is four.",
        worse="It is five.",
        explanation="Sums have **one** right answer.",
    )
    newcomer = make_person("nora")
    membership_set(project, newcomer, Role.ANNOTATOR)
    window = open_window()
    window.enter_as(newcomer)
    window.open(f"/projects/{project.slug}/annotate/")
    page = window.page
    expect(page.get_by_text("0 of 1 done, 0 right")).to_be_visible()
    left = page.locator(".answer[data-side=left]").inner_text()
    press(page, "2" if "four" in left else "7", "Enter")
    expect(page.get_by_text("Right.", exact=True)).to_be_visible()
    expect(page.locator("[data-feedback] strong", has_text="one")).to_be_visible()
    press(page, "Enter")
    page.locator("[data-comparison]").wait_for()
    expect(page.get_by_text("What is 2 + 2?")).to_have_count(0)
    expect(page.locator("#done-today")).to_have_text("1 done today")
