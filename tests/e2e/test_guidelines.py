"""Safety flags from the keyboard, and guidelines that change while somebody works."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from accounts.models import Role, User
from annotation.models import Judgement, Membership, Project
from annotation.services.administration import project_update
from tests.e2e.browser import Window
from tests.e2e.judging import press, shown_comparison, wait_for_another
from tests.e2e.sample_site import make_person

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_flags_are_set_by_keys_and_kept_and_changed_guidelines_are_told_once(
    project: Project, annotator: User, at_work: Callable[[], Window]
) -> None:
    page = at_work().page
    notice = page.locator("#guidelines-notice")
    expect(notice).to_be_hidden()
    press(page, "3", "u", "Space", "Tab", "Space")
    expect(page.locator("#saved")).to_have_text("Draft saved")
    page.reload()
    expect(page.locator("[data-safety-count]")).to_have_text("2")
    expect(page.get_by_label("Self-harm").first).to_be_checked()
    project_update(project, actor=make_person("boss", Role.ADMIN), guidelines="Be **brief**.")
    number = shown_comparison(page)
    press(page, "Enter")
    wait_for_another(page, number)
    assert Judgement.objects.get().safety == {"left": ["violence", "self_harm"], "right": []}

    number = shown_comparison(page)
    if not notice.is_visible():  # The one after it was fetched before the change.
        press(page, "3", "Enter")
        wait_for_another(page, number)
    expect(notice).to_be_visible()
    page.get_by_role("button", name="See what changed").click()
    changes = page.get_by_role("region", name="What changed in the guidelines")
    expect(changes.locator("ins").first).to_be_visible()
    expect(notice).to_be_hidden()
    page.get_by_role("button", name="As they are").click()
    expect(page.locator(".guidelines-text strong")).to_have_text("brief")
    expect(changes).to_be_hidden()
    page.reload()
    page.locator("[data-comparison]").wait_for()
    expect(notice).to_be_hidden()
    assert Membership.objects.get(user=annotator).guidelines_read == 2
