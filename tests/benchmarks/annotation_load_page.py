"""The case `page`: what a browser fetches before somebody can judge, and when it lets them.

Comes in: where the site answers and a project with open comparisons. Goes out: compressed bytes and the
time from the start of the navigation until a key, pressed over and over from outside, grades the comparison.
"""

import gzip
import os
import statistics
import time
from dataclasses import dataclass

from playwright.sync_api import Browser, Response

from accounts.models import User
from annotation.models import Project
from tests.benchmarks.annotation_load_site import load_averages, make_people
from tests.e2e.browser import chromium, window

NUM_VISITS = 7
CARRIES_CODE = {"document", "stylesheet", "script", "fetch", "xhr"}

# Runs in the page before its own scripts, and notes when a key has graded for the first time.
NOTE_WHEN_GRADED = """
let ungraded;
new MutationObserver(() => {
  const words = document.querySelector("[data-comparison] #choice-words")?.textContent;
  if (words === undefined) return;
  ungraded ??= words;
  if (words !== ungraded) document.documentElement.dataset.interactive ??= performance.now();
}).observe(document, { subtree: true, childList: true, characterData: true });
"""
GRADED = "document.documentElement?.dataset.interactive ?? null"
SECONDS_TO_GRADE = 30.0


@dataclass(frozen=True, kw_only=True)
class PageReport:
    """What one comparison page costs a browser that has never seen the site; the server is warm."""

    compressed_kb: float
    """HTML, CSS and JavaScript, each file by gzip."""
    interactive_ms: float
    """From the start of the navigation until a key grades, to within the time between two presses; median."""
    visits_ms: list[float]
    load_average: list[float]


def run_page(base_url: str, project: Project) -> PageReport:
    """Visits of people whose browser keeps nothing from one to the next."""
    # Playwright's own loop runs in this thread, which Django takes for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    try:
        # Each by somebody else: the grade of the visit before would be there as a draft.
        users = [User.objects.get(pk=pk) for pk, _token in make_people(project, NUM_VISITS + 1)]
        with chromium() as browser:
            _first, *visits = [_visit(browser, base_url, project, user) for user in users]
    finally:
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
    return PageReport(
        compressed_kb=round(max(size for size, _ in visits) / 1024, 1),
        interactive_ms=round(statistics.median(took for _, took in visits), 1),
        visits_ms=[round(took, 1) for _, took in visits],
        load_average=load_averages(),
    )


def _visit(browser: Browser, base_url: str, project: Project, user: User) -> tuple[int, float]:
    """Bytes and milliseconds of one visit."""
    fetched: list[Response] = []
    with window(browser, base_url) as opened:
        opened.enter_as(user)
        page = opened.page
        page.add_init_script(NOTE_WHEN_GRADED)
        page.on("response", lambda response: fetched.append(response))
        page.goto(f"{base_url}/projects/{project.slug}/annotate/", wait_until="commit")
        deadline = time.monotonic() + SECONDS_TO_GRADE
        while (graded := page.evaluate(GRADED)) is None:
            assert time.monotonic() < deadline, "no key graded the comparison"
            page.keyboard.press("2")
        page.wait_for_load_state()
        bodies = [each.body() for each in fetched if each.ok and each.request.resource_type in CARRIES_CODE]
    assert not opened.problems, opened.problems
    return sum(len(gzip.compress(body)) for body in bodies), float(graded)
