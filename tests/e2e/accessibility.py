"""WCAG 2.2 A and AA by axe-core, on the page that a window shows."""

from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Page

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
CONTRAST = {"type": "rule", "values": ["color-contrast"]}
CRITERIA = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}
RUN = """
(rules) => axe.run(document, {
    runOnly: rules,
    resultTypes: ["violations"],
    preload: false,
})
"""
MAX_SHOWN = 3


def violations(page: Page, *, contrast_alone: bool = False) -> list[str]:
    """What axe-core finds wrong, a sentence a rule with the first elements concerned.

    `contrast_alone` for a page that was judged in another theme: themes differ in nothing but colours.
    """
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE)
    found: dict[str, Any] = page.evaluate(RUN, CONTRAST if contrast_alone else CRITERIA)
    return [
        f"{rule['id']}: {rule['help']}: "
        + "; ".join(node["html"][:160] for node in rule["nodes"][:MAX_SHOWN])
        + (f" and {len(rule['nodes']) - MAX_SHOWN} more" if len(rule["nodes"]) > MAX_SHOWN else "")
        for rule in found["violations"]
    ]
