"""Old workers and new ones side by side: what one release sends, the other takes."""

import inspect

import pytest

from accord.celery import app
from tests.upgrade.releases import TASKS


@pytest.fixture(scope="module", autouse=True)
def _tasks() -> None:
    app.loader.import_default_modules()


@pytest.mark.parametrize("name", TASKS)
def test_a_message_of_the_previous_release_is_taken(name: str) -> None:
    """Its arguments keep their places; ones that come after them have defaults."""
    assert name in app.tasks, f"the previous release sends {name}: keep it for one release more"
    parameters = list(inspect.signature(app.tasks[name].run).parameters.values())
    names = [parameter.name for parameter in parameters]
    assert names[: len(TASKS[name])] == TASKS[name]
    added = [parameter.name for parameter in parameters[len(TASKS[name]) :]]
    without = [each.name for each in parameters if each.name in added and each.default is each.empty]
    assert not without, f"{name} of the previous release comes without {without}: give a default"
