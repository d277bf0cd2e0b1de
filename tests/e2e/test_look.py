"""Every page, at the narrowest and at a usual width, light and dark: readable, named, inside the window;
and WCAG 2.2 AA by axe-core.

`python -m tests.e2e.screenshots FOLDER` runs the same and keeps the pictures.
"""

from pathlib import Path

import pytest

from tests.e2e.accessibility import violations
from tests.e2e.conftest import OpenWindow
from tests.e2e.pages import looks
from tests.e2e.sample_site import SampleSite

AUDIT = (Path(__file__).parent / "audit.js").read_text()
LAID_OUT = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
WIDTHS = (1280, 360)

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_readable_and_fits(
    site: SampleSite, open_window: OpenWindow, screenshots_folder: Path | None, theme: str
) -> None:
    problems: list[str] = []
    window, person = open_window(theme=theme), None
    for look in looks(site):
        if look.person != person:
            assert look.person is not None
            window.enter_as(look.person)
            person = look.person
        window.page.set_viewport_size({"width": WIDTHS[0], "height": look.height})
        window.open(look.path)
        look.prepare(window.page)
        found = violations(window.page, contrast_alone=theme == "dark")
        problems += [f"{look.name}: {problem}" for problem in found]
        for width in WIDTHS:
            window.page.set_viewport_size({"width": width, "height": look.height})
            window.page.evaluate(LAID_OUT)
            said = window.page.evaluate(AUDIT)
            problems += [f"{look.name} at {width}: {problem}" for problem in said]
        if screenshots_folder is not None:
            # After the audits: taking a picture leaves a style attribute behind.
            whole = not look.name.startswith("compar")
            for width in WIDTHS:
                window.page.set_viewport_size({"width": width, "height": look.height})
                picture = screenshots_folder / f"{look.name}-{width}-{theme}.png"
                window.page.screenshot(path=picture, full_page=whole)
    assert not problems, "\n".join(problems)


def test_the_audit_objects_to_what_it_should(site: SampleSite, open_window: OpenWindow) -> None:
    window = open_window(width=360)
    window.enter_as(site.annotator)
    window.open("/")
    assert window.page.evaluate(AUDIT) == []
    window.page.evaluate(
        """() => {
            document.querySelector("h1").style.color = "#bbb";
            document.querySelector("h3").style.width = "600px";
            document.querySelector(".button-primary").replaceChildren();
        }"""
    )
    problems = "\n".join(window.page.evaluate(AUDIT))
    assert "contrast 1." in problems
    assert "wider than the window" in problems
    assert "without a name" in problems
    assert "a style attribute" in problems
