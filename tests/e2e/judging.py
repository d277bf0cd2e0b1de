"""What tests do on the comparison page."""

from playwright.sync_api import Page


def press(page: Page, *keys: str) -> None:
    """Press keys one after another."""
    for key in keys:
        page.keyboard.press(key)


def shown_comparison(page: Page) -> int:
    """The comparison on the page."""
    return int(page.locator("[data-comparison]").get_attribute("data-comparison") or 0)


def wait_for_another(page: Page, number: int) -> None:
    """Until another comparison than `number` is shown."""
    page.locator(f"[data-comparison]:not([data-comparison='{number}'])").wait_for()
