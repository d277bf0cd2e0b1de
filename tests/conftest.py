"""What every test stands on: real servers of this test run alone, and a check that no part was left out.

Importing this sets the environment that `accord.settings` reads. PostgreSQL and Valkey start when the
first test needs them, in a temporary folder, unless DATABASE_URL or REDIS_URL name others; several
test runs may go on at once. A guard ends whatever a run leaves behind, also when the run is killed.

With several processes (`-n 2 --dist loadfile`, as `make test` does) each has servers of its own.
"""

import os
import secrets
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.db import connection
from pytest_django import DjangoDbBlocker

from deploy.local.broker import broker_child, broker_url, broker_wait, free_port
from deploy.local.child import Child
from deploy.local.guard import MARK, SERVER, new_mark, start_guard
from deploy.local.postgres import postgres_child, postgres_url, postgres_wait

FOUND = set(os.environ)

FOLDER = Path(tempfile.mkdtemp(prefix="accord-tests-"))
os.environ[MARK] = new_mark(FOLDER)
SERVER_ENVIRONMENT = {"LANG": "C.UTF-8", "TZ": "UTC", MARK: SERVER + os.environ[MARK]}

OWN_DATABASE = "DATABASE_URL" not in os.environ
OWN_BROKER = "REDIS_URL" not in os.environ
BROKER_PORT = free_port()
BROKER_PASSWORD = secrets.token_urlsafe(16)

os.environ["ACCORD_VAR"] = str(FOLDER / "var")
(FOLDER / "var" / "static").mkdir(parents=True)  # WhiteNoise warns of its absence
os.environ["SECRET_KEY"] = secrets.token_urlsafe(50)
os.environ["HF_HUB_OFFLINE"] = "1"
# Threads of torch that wait for each other's turn on busy cores made small models ten times as slow.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("DATABASE_URL", postgres_url(FOLDER / "postgres"))
os.environ.setdefault("REDIS_URL", broker_url(BROKER_PORT, BROKER_PASSWORD))
os.environ["DJANGO_SETTINGS_MODULE"] = "accord.settings"

GUARD = start_guard(os.environ[MARK], remove=[FOLDER])

PARTS = {"vllm": "vLLM", "browser": "the browser", "django_db": "the database"}
"""Markers of tests that need a part which a machine may lack, and the part's name."""

ran: set[str] = set()
left_out: list[str] = []


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--fail-on-missing-parts`: what the continuous integration asks for."""
    parser.addoption(
        "--fail-on-missing-parts",
        action="store_true",
        help="fail if tests of vLLM, of the browser or of the database were skipped or not there",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Load the settings now, so that pytest-django sets Django up before tests are imported.

    Temporary folders lie in our own: pytest's usual place is closed to PostgreSQL's user whenever
    another run starts.
    """
    assert settings.DATABASES
    if config.option.basetemp is None:
        config.option.basetemp = str(FOLDER / "pytest")


def pytest_unconfigure() -> None:
    """End what the run has left behind and remove its folder."""
    GUARD.close()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The running product comes first, since its files are the longest. Browser tests come last: Playwright
    leaves its event loop running in this thread, and no other loop can run beside it. Else as pytest-django
    ordered them.
    """

    def place(item: pytest.Item) -> int:
        if "e2e/product" in item.nodeid:
            return 0
        return 2 if item.get_closest_marker("browser") is not None else 1

    items.sort(key=place)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note which parts were tested and which tests of a part were skipped."""
    report = yield
    parts = {marker for marker in PARTS if item.get_closest_marker(marker)}
    if "django_db_setup" in getattr(item, "fixturenames", ()):
        parts.add("django_db")
    if report.skipped and parts and not hasattr(report, "wasxfail"):
        left_out.append(f"{item.nodeid} was skipped")
    if report.when == "call" and report.passed:
        ran.update(parts)
    return report


def pytest_collectreport(report: pytest.CollectReport) -> None:
    """A file skipped as a whole hides what its tests need."""
    if report.skipped:
        left_out.append(f"{report.nodeid} was skipped as a whole")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Workers choose for themselves: they get the environment as it was found."""
    for name in set(os.environ) - FOUND:
        del os.environ[name]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:  # Any: a worker as pytest-xdist has it
    """Take down what a worker has seen; one that died has told nothing."""
    told = getattr(node, "workeroutput", {})
    ran.update(told.get("ran", []))
    left_out.extend(told.get("left_out", []))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run if a part was left out and the caller minds; a worker leaves that to its controller."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput |= {"ran": sorted(ran), "left_out": left_out}
        return
    if not session.config.getoption("--fail-on-missing-parts"):
        return
    left_out.extend(f"no test of {name} ran" for marker, name in PARTS.items() if marker not in ran)
    if left_out and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was left out."""
    if config.getoption("--fail-on-missing-parts") and left_out:
        terminalreporter.section("parts left out", red=True)
        for line in left_out:
            terminalreporter.line(line)


@pytest.fixture(scope="session")
def database_server() -> Iterator[Child | None]:
    """PostgreSQL, for this run; None where it is not ours."""
    if not OWN_DATABASE:
        yield None
        return
    server = postgres_child(
        FOLDER / "postgres", log=FOLDER / "postgres.log", environment=SERVER_ENVIRONMENT, keep_safe=False
    )
    server.start()
    postgres_wait(server)
    yield server
    server.stop_ask()
    server.stop_wait(10)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(database_server: Child | None) -> None:
    """pytest-django's place to prepare the server; a database of this run's own on a shared one."""
    if not OWN_DATABASE:
        connection.settings_dict["TEST"]["NAME"] = f"test_accord_{os.getpid()}"


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """Our own server goes with all that is in it: no need to drop the database first."""
    return OWN_DATABASE


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """The test database, whose audit log may be emptied: that is how tests with real commits end."""
    with django_db_blocker.unblock():
        name = connection.settings_dict["NAME"]
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE \"{name}\" SET accord.emptying = 'on'")
        connection.close()
        connection.close_pool()  # type: ignore[attr-defined]  # PostgreSQL's


@pytest.fixture(scope="session")
def broker() -> Iterator[str]:
    """The URL of a running Valkey, the one that the settings name."""
    url = os.environ["REDIS_URL"]
    if not OWN_BROKER:
        yield url
        return
    server = broker_child(
        FOLDER / "valkey",
        port=BROKER_PORT,
        password=BROKER_PASSWORD,
        log=FOLDER / "valkey.log",
        environment=SERVER_ENVIRONMENT,
    )
    server.start()
    broker_wait(server, url)
    yield url
    server.stop_ask()
    server.stop_wait(10)


@pytest.fixture(scope="session")
def process_environment(django_db_setup: None) -> dict[str, str]:
    """The environment for a process of ours that a test starts: it works on the test database.

    What a test in a transaction has written is not visible to it: mark such tests with
    `django_db(transaction=True)`.
    """
    url = urlsplit(os.environ["DATABASE_URL"])
    name = settings.DATABASES["default"]["NAME"]
    return {**os.environ, "DATABASE_URL": url._replace(path=f"/{name}").geturl()}
