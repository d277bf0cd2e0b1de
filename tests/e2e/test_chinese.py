"""An annotator's work in the interface's other language."""

from collections.abc import Callable

import pytest
from django.conf import settings
from playwright.sync_api import expect

from annotation.models import Judgement, Project
from tests.e2e.browser import Window
from tests.e2e.judging import press, shown_comparison, wait_for_another

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_comparison_is_judged_in_chinese(project: Project, at_work: Callable[[], Window]) -> None:
    window = at_work()
    page = window.page
    cookie = {"name": settings.LANGUAGE_COOKIE_NAME, "value": "zh-hans", "url": window.base_url}
    page.context.add_cookies([cookie])
    page.reload()
    expect(page.locator("html")).to_have_attribute("lang", "zh-hans")
    number = shown_comparison(page)
    expect(page.locator(".answer-body").first).to_have_attribute("lang", "en")
    press(page, "Enter")
    expect(page.locator(".toast")).to_contain_text("请先用 1 到 8 选出更好的回答")
    press(page, "1")
    expect(page.locator("#choice-words")).to_have_text("左侧明显更好")
    expect(page.get_by_role("radio", name="左侧回答明显更好 (1)")).to_be_checked()
    page.get_by_text("更正确").click()
    press(page, "Enter")
    wait_for_another(page, number)
    expect(page.locator("#done-today")).to_have_text("今天完成 1 个")
    judgement = Judgement.objects.get()
    assert (judgement.comparison_id, judgement.strength, judgement.reasons) == (
        number,
        "significantly_better",
        ["correct"],
    )
