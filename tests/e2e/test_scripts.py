"""Scripts where they run: the difference of two texts, the scale's keys, hostile Markdown in a browser."""

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.conftest import OpenWindow
from tests.web.test_markdown import HOSTILE, hostile_texts
from web.markdown import render_markdown

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WORDS = ("the", "a", "fox", "jumps", " ", " ", "\n", ".", "你好", "世界", "مرحبا", "don't", "😀", "สวัสดี")
Parts = list[dict[str, str]]


@pytest.fixture
def page(open_window: OpenWindow) -> Page:
    """A page of the site, from which its modules can be loaded."""
    window = open_window()
    window.open("/login/")
    return window.page


def differences(page: Page, pairs: list[tuple[str, str]]) -> list[Parts]:
    """What wordDiff says of each pair."""
    found: list[Any] = page.evaluate(
        "async (pairs) => { const { wordDiff } = await import('/static/annotation/diff.js');"
        " return pairs.map(([before, after]) => wordDiff(before, after)); }",
        pairs,
    )
    return found


def test_the_parts_of_a_difference_give_both_texts_again(page: Page) -> None:
    draw = random.Random(7)
    texts = ["".join(draw.choices(WORDS, k=draw.randrange(14))) for _ in range(3000)]
    pairs = list(zip(texts[::2], texts[1::2], strict=True))
    for (before, after), parts in zip(pairs, differences(page, pairs), strict=True):
        assert "".join(part["text"] for part in parts if part["kind"] != "added") == before
        assert "".join(part["text"] for part in parts if part["kind"] != "removed") == after
        assert all(one["kind"] != next_["kind"] for one, next_ in pairwise(parts))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("same", "same", "=same"),
        ("", "new", "+new"),
        ("a quick fox", "a slow fox", "=a |-quick|+slow|= fox"),
        ("one two three", "one 2 3", "=one |-two three|+2 3"),
        ("我喜欢猫", "我喜欢狗", "=我喜欢|-猫|+狗"),
    ],
)
def test_a_difference_is_told_word_by_word(page: Page, before: str, after: str, expected: str) -> None:
    signs = {"same": "=", "removed": "-", "added": "+"}
    (parts,) = differences(page, [(before, after)])
    assert "|".join(signs[part["kind"]] + part["text"] for part in parts) == expected


def test_long_texts_that_share_nothing_are_compared_at_once(page: Page) -> None:
    before = " ".join(f"a{number}" for number in range(8000))
    after = " ".join(f"b{number}" for number in range(8000))
    milliseconds = page.evaluate(
        "async ([before, after]) => { const { wordDiff } = await import('/static/annotation/diff.js');"
        " const start = performance.now(); wordDiff(before, after); return performance.now() - start; }",
        [before, after],
    )
    assert milliseconds < 2000


def test_a_key_and_its_choice_are_two_ways_of_saying_one_thing(page: Page) -> None:
    keys = page.evaluate(
        "async () => { const { choiceOfKey, keyOfChoice } = await import('/static/annotation/scale.js');"
        " return [0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map((key) => keyOfChoice(choiceOfKey(key) ?? {})); }"
    )
    assert keys == [None, 1, 2, 3, 4, 5, 6, 7, 8, None]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_markdown_does_nothing_in_a_browser_even_without_a_policy(
    browser: Browser, tmp_path: Path, name: str
) -> None:
    html = "".join(f"<article>{render_markdown(text)}</article>" for text in hostile_texts(name))
    context = browser.new_context()
    page = context.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.add_init_script(
        "for (const name of ['alert', 'prompt', 'confirm']) window[name] = () => { window.ran = true; }"
    )
    file = tmp_path / "page.html"
    file.write_text(f"<!doctype html><meta charset='utf-8'><body>{html}</body>", encoding="utf-8")
    page.goto(file.as_uri())
    page.evaluate(
        "() => { for (const element of document.querySelectorAll('article *'))"
        " for (const kind of ['pointerover', 'mouseover', 'focus', 'animationend', 'toggle'])"
        " element.dispatchEvent(new Event(kind, { bubbles: true })); }"
    )
    assert page.evaluate("window.ran === undefined && document.querySelectorAll('article').length > 0")
    assert asked == [file.as_uri()]
    context.close()
