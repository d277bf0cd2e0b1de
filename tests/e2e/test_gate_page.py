"""A gate's pairs compared from the keyboard."""

import pytest
from playwright.sync_api import expect

from alignment.models import GatePair
from tests.e2e.conftest import OpenWindow
from tests.e2e.sample_site import SampleSite

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_one_key_decides_a_pair_and_the_next_one_comes(site: SampleSite, open_window: OpenWindow) -> None:
    window = open_window()
    window.enter_as(site.admin)
    window.open(f"/stages/{site.gate.pk}/pairs/")
    total = site.gate.total
    expect(window.page.get_by_text(f"1 of {total} pairs")).to_be_visible()
    window.page.keyboard.press("1")
    expect(window.page.get_by_text(f"2 of {total} pairs")).to_be_visible()
    window.page.wait_for_load_state()
    window.page.keyboard.press("7")  # no verdict has this key
    window.page.keyboard.press("3")
    expect(window.page.get_by_text(f"3 of {total} pairs")).to_be_visible()
    decided = GatePair.objects.filter(decided_by=site.admin).order_by("number")
    assert [pair.verdict for pair in decided] == ["left", "right"]
