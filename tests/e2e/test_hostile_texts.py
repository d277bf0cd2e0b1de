"""Thousands of hostile texts in Chromium: they are shown, and that is all that happens.

No script runs, nothing is asked for elsewhere, the strict policy has nothing to report, and each text stays
in its box, also on a telephone.
"""

from pathlib import Path

import pytest

from annotation.text import storable
from tests.e2e.conftest import OpenWindow
from tests.e2e.hostile_site import make_hostile_site
from tests.web.test_markdown import HOSTILE, hostile_texts

CONTAINED = (Path(__file__).parent / "contained.js").read_text()
WATCH = """
window.hostileDeeds = [];
for (const name of ["alert", "prompt", "confirm", "print", "open"]) {
  window[name] = () => window.hostileDeeds.push(`a script ran ${name}`);
}
addEventListener("securitypolicyviolation", (event) => {
  window.hostileDeeds.push(`against ${event.violatedDirective}`);
});
"""

pytestmark = pytest.mark.browser


def test_hostile_texts_are_shown_and_do_nothing(transactional_db: None, open_window: OpenWindow) -> None:
    payloads = [text for name in HOSTILE for text in hostile_texts(name) if text.strip() and storable(text)]
    site = make_hostile_site(payloads)
    base = f"/projects/{site.project.slug}"
    of_admins = ["/", f"{base}/", f"{base}/flagged/", f"{base}/prompts/", f"{base}/prompts/weights/"]
    of_admins += [
        f"{base}/{name}/" for name in ("people", "settings", "data", "reports", "quality", "checks")
    ]
    of_admins += [f"{base}/progress/", "/webhooks/", f"/webhooks/{site.endpoint.pk}/"]
    of_annotators = ["/", "/work/", f"/work/{site.project.slug}/", "/account/", f"{base}/annotate/"]
    problems: list[str] = []
    window = open_window(width=360)
    window.page.add_init_script(WATCH)
    window.page.on("dialog", lambda dialog: problems.append(f"a dialog: {dialog.message}"))
    for person, paths in ((site.admin, of_admins), (site.annotator, of_annotators)):
        window.enter_as(person)
        for path in paths:
            window.open(path)
            window.page.evaluate(
                "document.querySelectorAll('main details').forEach((each) => each.open = true)"
            )
            problems += [f"{path}: {problem}" for problem in window.page.evaluate(CONTAINED)]
    window.page.locator("[data-comparison]").wait_for()
    for key in ("d", "g", "Escape"):
        window.page.keyboard.press(key)
        problems += [f"after {key}: {problem}" for problem in window.page.evaluate(CONTAINED)]
    window.page.set_viewport_size({"width": 1280, "height": 900})
    window.page.keyboard.press("e")
    window.page.get_by_role("button", name="Preview").click()
    window.page.locator("#preview:not(:empty)").wait_for()
    problems += [f"the preview: {problem}" for problem in window.page.evaluate(CONTAINED)]
    assert not problems, "\n".join(problems)
