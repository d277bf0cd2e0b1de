"""The ids of whoever sent a Celery task go with it, so that one request is followed through all processes."""

from contextlib import ExitStack
from typing import Any

from celery.signals import before_task_publish, task_postrun, task_prerun

from observing.context import current_ids, log_ids

HEADER = "accord_ids"
_open: dict[str, ExitStack] = {}


def follow_tasks() -> None:
    """Connect to Celery's signals."""
    before_task_publish.connect(_sent, weak=False)
    task_prerun.connect(_begun, weak=False)
    task_postrun.connect(_ended, weak=False)


def _sent(headers: dict[str, Any] | None = None, **_: Any) -> None:  # Any: as Celery has it
    if headers is not None and current_ids():
        headers[HEADER] = dict(current_ids())


def _begun(task_id: str, task: Any, **_: Any) -> None:
    # A worker finds what was sent beside Celery's own; a task that is called at once has it as it was given.
    ids = getattr(task.request, HEADER, None) or (task.request.headers or {}).get(HEADER) or {}
    stack = ExitStack()
    stack.enter_context(log_ids(**{str(name): value for name, value in ids.items()}, task=task.name))
    _open[task_id] = stack


def _ended(task_id: str, **_: Any) -> None:
    stack = _open.pop(task_id, None)
    if stack is not None:
        stack.close()
