"""Waiting for a release, for the commands that ask for one."""

import time

from django.core.management.base import BaseCommand, CommandError

from annotation.models import Release

POLL_SECONDS = 0.5


def release_wait(command: BaseCommand, release: Release, seconds: float) -> None:
    """Come back once it is live, and say so. Raises CommandError where it failed, or is not live in time."""
    deadline = time.monotonic() + seconds
    while True:
        release.refresh_from_db()
        if release.state == Release.State.LIVE:
            names = ", ".join(release.deployments.order_by("pk").values_list("name", flat=True))
            command.stdout.write(f"Live: {names}.")
            return
        if release.state != Release.State.PENDING:
            raise CommandError(release.error or f"Release {release.number} is {release.state}.")
        if time.monotonic() >= deadline:
            raise CommandError(
                "The models are not live yet: is `make serve` (or `manage.py serve_deployments`) running?"
            )
        time.sleep(POLL_SECONDS)
