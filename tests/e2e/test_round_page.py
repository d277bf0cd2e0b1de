"""The page of a running round: what changes renews itself, what a person opened stays open."""

import pytest
from playwright.sync_api import expect

from tests.e2e.conftest import OpenWindow
from tests.e2e.sample_site import SampleSite

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_opened_samples_of_the_funnel_stay_open_while_the_round_runs(
    site: SampleSite, open_window: OpenWindow
) -> None:
    window = open_window()
    window.enter_as(site.admin)
    window.open(f"/rounds/{site.round.pk}/")
    samples = window.page.locator("details", has_text="cut off at the length limit")
    samples.locator("summary").click()
    with window.page.expect_response(lambda response: response.request.headers.get("hx-request") == "true"):
        window.page.evaluate(
            "document.querySelector('#round-live h2').textContent = 'Earlier';"
            "window.dispatchEvent(new Event('online'))"
        )
    expect(window.page.get_by_role("heading", name="Earlier")).to_have_count(0)
    expect(window.page.get_by_role("heading", name="Stages")).to_be_visible()
    assert samples.evaluate("(details) => details.open")
