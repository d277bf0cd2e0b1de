"""Writes over checkpoints and deployments."""

import errno
import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from accounts.errors import Conflict, Invalid
from accounts.models import User
from accounts.services import audit_record
from registry.content import content_files, folder_hash
from registry.models import Checkpoint, CheckpointParent, Deployment

State = Deployment.State
LICENCE = re.compile(r"[\w.+ ()-]{0,100}")
"""An identifier, not a text."""
ACTIVE_STATES = (State.REQUESTED, State.STARTING, State.READY, State.LIVE)


@dataclass(frozen=True, kw_only=True)
class Served:
    """Where a deployment answers, and how its weights were proved to be the checkpoint's."""

    base_url: str
    served_name: str
    canary_difference: float | None = None
    """None where the checkpoint has no canary, or the server does not tell log-probabilities."""
    canary_tolerance: float | None = None


PLAIN_NAME = re.compile(r"\w[\w .+()-]{0,199}")
"""Names become parts of paths: nothing in one leads elsewhere."""


def checkpoint_register(
    *,
    name: str,
    kind: Checkpoint.Kind,
    path: Path,
    parents: Sequence[tuple[Checkpoint, str]] = (),
    recipe: dict[str, Any] | None = None,  # Any: JSON
    metrics: dict[str, Any] | None = None,  # Any: JSON
    produced_by: str,
    content_hash: str | None = None,
    licence: str = "",
    actor: User | None = None,
) -> Checkpoint:
    """Enter the finished folder `path` with its hash and its parents, each with the part it had.

    Registering the same content under the same name again returns what is there. Raises Conflict where
    the name belongs to other content, Invalid where the folder is empty or absent. Its hash is read from the
    files where `content_hash` is not known.
    """
    if not PLAIN_NAME.fullmatch(name):
        raise Invalid(
            f"{name[:60]!r} is no name for a model: use letters, digits, spaces and . _ - +, and begin with "
            "a letter or a digit."
        )
    try:
        content_hash = content_hash or folder_hash(path)
    except FileNotFoundError as error:
        raise Invalid(f"There is no checkpoint at {path}: give a folder with the model's files.") from error
    with transaction.atomic():
        checkpoint, created = Checkpoint.objects.get_or_create(
            name=name,
            defaults={
                "kind": kind,
                "path": str(path),
                "content_hash": content_hash,
                "recipe": recipe or {},
                "metrics": metrics or {},
                "produced_by": produced_by,
                "licence": licence,
            },
        )
        if not created and checkpoint.content_hash != content_hash:
            raise Conflict(f"There is another checkpoint {name!r} already: choose another name.")
        if created:
            CheckpointParent.objects.bulk_create(
                CheckpointParent(child=checkpoint, parent=parent, role=role) for parent, role in parents
            )
            audit_record(
                actor, "checkpoint.register", checkpoint, {"name": name, "content_hash": content_hash}
            )
    return checkpoint


def licence_checked(licence: str) -> str:
    """The licence's identifier without spaces around it. Raises Invalid where it is none."""
    licence = licence.strip()
    if not LICENCE.fullmatch(licence):
        raise Invalid("Give a licence's identifier such as apache-2.0, or leave it empty.")
    return licence


def checkpoint_licence_set(checkpoint: Checkpoint, licence: str, *, actor: User | None) -> None:
    """Say under which licence the checkpoint may be used; empty is "not stated". Raises Invalid."""
    licence = licence_checked(licence)
    with transaction.atomic():
        before = Checkpoint.objects.select_for_update().get(pk=checkpoint.pk).licence
        Checkpoint.objects.filter(pk=checkpoint.pk).update(licence=licence)
        audit_record(actor, "checkpoint.licence", checkpoint, {"licence": [before, licence]})
    checkpoint.refresh_from_db(fields=["licence"])


def checkpoint_adopt(
    *,
    folder: Path,
    store: Path,
    name: str,
    kind: Checkpoint.Kind,
    parents: Sequence[tuple[Checkpoint, str]],
    recipe: dict[str, Any],  # Any: JSON
    metrics: dict[str, Any],  # Any: JSON
    produced_by: str,
    content_hash: str | None = None,
) -> Checkpoint:
    """Put the finished `folder` into `store` under its content hash and register it there.

    `content_hash` spares reading a large folder whose hash is known. Files are linked, not copied, where the
    disk allows it. Safe to repeat after a crash at any point.
    """
    try:
        content_hash = content_hash or folder_hash(folder)
    except FileNotFoundError as error:
        raise Invalid(
            f"There is no checkpoint at {folder}: the program that should write it did not."
        ) from error
    stored = store / content_hash
    if not stored.exists():
        _store_folder(folder, stored)
    return checkpoint_register(
        name=name,
        kind=kind,
        path=stored,
        parents=parents,
        recipe=recipe,
        metrics=metrics,
        produced_by=produced_by,
        content_hash=content_hash,
    )


def deployment_request(
    *,
    name: str,
    checkpoint: Checkpoint,
    replaces: Deployment | None = None,
    actor: User | None = None,
) -> Deployment:
    """Ask for a server that answers for `checkpoint`; where one is there or on its way, that one is meant.

    Raises Conflict where another checkpoint answers under `name`.
    """
    with transaction.atomic():
        present = (
            Deployment.objects.select_for_update(of=("self",))
            .filter(name=name, state__in=ACTIVE_STATES)
            .first()
        )
        if present is not None:
            if present.checkpoint_id != checkpoint.pk:
                raise Conflict(
                    f"Another checkpoint is deployed as {name!r}: retire it or choose another name."
                )
            return present
        deployment = Deployment.objects.create(
            name=name, checkpoint=checkpoint, served_name=name, managed=True, replaces=replaces
        )
        audit_record(actor, "deployment.request", deployment, {"checkpoint": checkpoint.name})
    return deployment


def deployment_register(
    *,
    name: str,
    checkpoint: Checkpoint,
    base_url: str,
    served_name: str,
    canary: tuple[float, float] | None = None,
    actor: User | None = None,
) -> Deployment:
    """Enter a server that someone else runs: live at once, and never stopped by us.

    `canary` is how far its log-probabilities are from the checkpoint's, and how far they might have been.
    """
    now = timezone.now()
    difference, tolerance = canary or (None, None)
    with transaction.atomic():
        if Deployment.objects.filter(name=name, state__in=ACTIVE_STATES).exists():
            raise Conflict(f"There is a deployment {name!r} already: retire it or choose another name.")
        deployment = Deployment.objects.create(
            name=name,
            checkpoint=checkpoint,
            managed=False,
            state=State.LIVE,
            live_at=now,
            base_url=base_url,
            served_name=served_name,
            canary_difference=difference,
            canary_tolerance=tolerance,
            canary_at=None if canary is None else now,
        )
        data = {"base_url": base_url, "canary_difference": difference}
        audit_record(actor, "deployment.register", deployment, data)
    return deployment


def deployment_mark_starting(deployment: Deployment) -> None:
    """Its server is being started, or started again: nobody is sent to it meanwhile."""
    _move(deployment, State.STARTING, from_states=ACTIVE_STATES, error="")


def deployment_mark_ready(deployment: Deployment, served: Served) -> None:
    """Its server is proved, and waits for the other models of its release."""
    _move(deployment, State.READY, from_states=ACTIVE_STATES, **_served_values(served))


def deployment_mark_live(deployment: Deployment, served: Served) -> bool:
    """It answers from now on. A retired or failed deployment stays that: False."""
    return _move(
        deployment,
        State.LIVE,
        from_states=ACTIVE_STATES,
        live_at=timezone.now(),
        **_served_values(served),
    )


def _served_values(served: Served) -> dict[str, Any]:  # Any: the row's fields
    proved: dict[str, Any] = {} if served.canary_difference is None else {"canary_at": timezone.now()}
    return {**asdict(served), **proved, "error": ""}


def deployment_fail(deployment: Deployment, error: str) -> None:
    """It cannot answer; `error` says why. A retired deployment stays retired."""
    _move(deployment, State.FAILED, from_states=(*ACTIVE_STATES, State.FAILED), error=error)


def deployment_retire(deployment: Deployment, *, actor: User | None = None) -> None:
    """It answers no more. Retiring it twice changes nothing."""
    _move(
        deployment,
        State.RETIRED,
        from_states=(*ACTIVE_STATES, State.FAILED),
        actor=actor,
        retired_at=timezone.now(),
    )


def _move(
    deployment: Deployment,
    state: Deployment.State,
    *,
    from_states: Sequence[Deployment.State],
    actor: User | None = None,
    **values: object,
) -> bool:
    """Take the deployment to `state` if it is in one of `from_states`, and bring the given row up to date."""
    with transaction.atomic():
        moved = Deployment.objects.filter(pk=deployment.pk, state__in=from_states).update(
            state=state, **values
        )
        if moved:
            audit_record(actor, f"deployment.{state.value}", deployment, {"name": deployment.name})
    deployment.refresh_from_db()
    return bool(moved)


def _store_folder(folder: Path, stored: Path) -> None:
    """Link (or else copy) the content of `folder` aside, then rename: `stored` is whole or absent."""
    with _alone_in(stored.parent):
        # Whoever began one of these was killed: nobody else is here.
        for left in stored.parent.glob(".*"):
            shutil.rmtree(left)
        if stored.exists():
            return
        aside = stored.with_name(f".{stored.name}")
        try:
            for name in content_files(folder):
                target = aside / name
                target.parent.mkdir(parents=True, exist_ok=True)
                link_or_copy(folder / name, target)
            aside.rename(stored)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep the folder to this caller; others of this machine wait. The kernel lets go when a process dies."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for the file, or a copy where the disk allows no more."""
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP):
            raise
        shutil.copy2(source, target)
