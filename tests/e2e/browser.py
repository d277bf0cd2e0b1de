"""Chromium for tests: started once, pages that fail the test on a script error or a broken policy."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from django.conf import settings
from django.test import Client
from playwright.sync_api import Browser, ConsoleMessage, Page, Route, expect, sync_playwright

if TYPE_CHECKING:
    from accounts.models import User

CHROMIUM = "/usr/bin/chromium"
PATIENCE_MS = 20_000
"""How long a test waits for what must come: longer than it takes on a machine busy with other things."""
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass(kw_only=True)
class Window:
    """A page of its own, and what went wrong in it."""

    page: Page
    base_url: str
    problems: list[str] = field(default_factory=list)
    closing: bool = False
    """Nobody minds what goes wrong from here on."""

    def open(self, path: str) -> None:
        """Go to a path of the site."""
        self.page.goto(self.base_url + path)

    def enter_as(self, user: "User") -> None:
        """Be `user` from here on, without the login page."""
        client = Client()
        client.force_login(user)
        cookie = {
            "name": settings.SESSION_COOKIE_NAME,
            "value": client.cookies[settings.SESSION_COOKIE_NAME].value,
        }
        self.page.context.clear_cookies()
        self.page.context.add_cookies([{**cookie, "url": self.base_url}])

    def log_in(self, name: str, password: str) -> None:
        """As a person would."""
        self.open("/login/")
        self.page.get_by_label("Username").fill(name)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        self.page.wait_for_url(self.base_url + "/")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser that this machine has."""
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS, headless=True)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def window(browser: Browser, base_url: str, *, width: int = 1280, theme: str = "light") -> Iterator[Window]:
    """A window with cookies of its own. Anything asked for outside of the site is refused and noted."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if theme == "dark" else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(3 * PATIENCE_MS)
    opened = Window(page=context.new_page(), base_url=base_url)

    def note(message: ConsoleMessage) -> None:
        bad = message.type in ("error", "warning") and "status of 4" not in message.text
        if bad and not opened.closing:
            opened.problems.append(message.text)

    def refuse(route: Route) -> None:
        opened.problems.append(f"asked for {route.request.url}")
        route.abort()

    opened.page.on("console", note)
    opened.page.on("pageerror", lambda error: opened.problems.append(str(error)))
    context.route(lambda url: not url.startswith(base_url), refuse)
    try:
        yield opened
    finally:
        # Pages save what is unsaved when they are left: none of that may reach the next test's database.
        opened.closing = True
        context.set_offline(True)
        context.close()
