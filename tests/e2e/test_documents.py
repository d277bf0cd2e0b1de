"""Documents judged from the keyboard; ticks outlive a reload, and hostile texts stay texts."""

import pytest
from playwright.sync_api import expect

from reviewing.models import Reading
from tests.e2e.conftest import OpenWindow
from tests.e2e.sample_site import SampleSite

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_keys_judge_documents_and_a_reload_keeps_what_was_ticked(
    site: SampleSite, open_window: OpenWindow
) -> None:
    window = open_window()
    window.enter_as(site.annotator)
    path = f"/projects/{site.project.slug}/documents/{site.documents.pk}/read/"
    window.open(path)
    page = window.page
    expect(page.locator("#document-text")).to_be_focused()
    reading = Reading.objects.get(reviewer=site.annotator, verdict="")
    page.keyboard.press("3")
    page.keyboard.press("5")
    page.keyboard.press("5")
    page.reload()
    expect(page.get_by_label("advertising or spam")).to_be_checked()
    expect(page.get_by_label("garbled or broken")).not_to_be_checked()
    expect(page.locator("#verdict")).to_have_attribute("data-document", str(reading.document_id))
    page.keyboard.press("d")
    expect(page.locator("#verdict")).not_to_have_attribute("data-document", str(reading.document_id))
    expect(page.get_by_label("advertising or spam")).not_to_be_checked()
    expect(page.get_by_text("You said: drop.")).to_be_visible()
    reading.refresh_from_db()
    assert (reading.verdict, reading.reasons) == ("drop", ["spam"])
    page.get_by_role("button", name="Take it back").click()
    expect(page.locator("#verdict")).to_have_attribute("data-document", str(reading.document_id))
    expect(page.get_by_label("advertising or spam")).to_be_checked()
    page.keyboard.press("k")
    expect(page.get_by_text("You said: keep.")).to_be_visible()
    assert not Reading.objects.filter(reviewer=site.annotator, verdict="", document=reading.document).exists()
