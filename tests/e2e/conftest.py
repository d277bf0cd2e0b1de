"""Fixtures of the browser tests: the browser, the sample site, and a window on it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from tests.e2e.browser import CHROMIUM, Window, chromium, window
from tests.e2e.requests_in_flight import requests_in_flight
from tests.e2e.screenshots import SCREENSHOTS_FOLDER

if TYPE_CHECKING:
    from accounts.models import User
    from annotation.models import Project
    from tests.e2e.sample_site import SampleSite

OpenWindow = Callable[..., Window]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, one for the whole run."""
    if not Path(CHROMIUM).exists():
        pytest.skip(f"There is no {CHROMIUM}: install Debian's chromium.")
    # Playwright's own loop runs in this thread, which Django takes for asynchronous code.
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        with chromium() as opened:
            yield opened


@pytest.fixture
def screenshots_folder(pytestconfig: pytest.Config) -> Path | None:
    """Where to keep pictures: nowhere, unless tests.e2e.screenshots says where."""
    return pytestconfig.stash.get(SCREENSHOTS_FOLDER, None)


@pytest.fixture
def site(transactional_db: None, tmp_path: Path) -> "SampleSite":
    """The sample site in the test database."""
    # Not above: this file is read before Django is set up.
    from tests.e2e.sample_site import make_sample_site

    return make_sample_site(tmp_path / "checkpoints")


@pytest.fixture
def open_window(browser: Browser, live_server: LiveServer, broker: str) -> Iterator[OpenWindow]:
    """`open_window(width=…, theme=…)`; the test fails if a script of the site did."""
    opened: list[Window] = []
    with requests_in_flight() as in_flight, ExitStack() as stack:
        # After the windows are closed: what they still send must not meet the next test.
        stack.callback(in_flight.wait_for_quiet)

        def make(*, width: int = 1280, theme: str = "light") -> Window:
            opened.append(stack.enter_context(window(browser, live_server.url, width=width, theme=theme)))
            return opened[-1]

        yield make
    problems = [problem for each in opened for problem in each.problems]
    assert not problems, problems


@pytest.fixture
def quick_passwords(settings: Settings) -> None:
    """Checking a password takes a second of work on purpose; here that only costs time."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def project(transactional_db: None) -> "Project":
    """A project with three open comparisons."""
    # Not above, as with the sample site.
    from tests.e2e.sample_site import make_comparison, make_project
    from tests.e2e.sample_texts import PAIRS

    made = make_project()
    for number in range(3):
        make_comparison(made, PAIRS[number], name=f"prompt-{number}")
    return made


@pytest.fixture
def annotator(project: "Project", quick_passwords: None) -> "User":
    """A member of the project."""
    from accounts.models import Role
    from annotation.services import membership_set
    from tests.e2e.sample_site import make_person

    user = make_person("tomas")
    membership_set(project, user, Role.ANNOTATOR)
    return user


@pytest.fixture
def at_work(project: "Project", annotator: "User", open_window: OpenWindow) -> Callable[[], Window]:
    """`at_work()` opens the comparison page in a window of its own."""

    def enter() -> Window:
        window = open_window()
        window.enter_as(annotator)
        window.open(f"/projects/{project.slug}/annotate/")
        window.page.locator("[data-comparison]").wait_for()
        return window

    return enter
