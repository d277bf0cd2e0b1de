"""Programs as Kubernetes Jobs: created, polled and deleted over the API.

A Job outlives the worker that made it. Its name is chosen and written into the run folder before it is made,
so that a worker that died in between has made it or not, and the next one finds out.
"""

import logging
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from alignment.launching.handles import (
    handle_forget,
    handle_read,
    handle_stopping,
    handle_write,
    new_handle,
)
from alignment.launching.interface import LaunchError, Work
from alignment.launching.kubernetes_client import ClusterAccess, ClusterAway, KubernetesClient
from alignment.launching.kubernetes_manifest import KubernetesOptions, job_manifest, service_manifest
from alignment.launching.kubernetes_states import (
    JobView,
    blocked_failure,
    job_view,
    kubernetes_failure,
)
from alignment.launching.options import options_for, section_of
from pretrain.failures import Failure
from pretrain.run import RunFolder, write_atomically

logger = logging.getLogger(__name__)

LAUNCHER = "kubernetes"
CLUSTER = "cluster"
MANIFEST = "job.yaml"
POLL_SECONDS = 5.0
SETTLE_SECONDS = 30.0
"""How long a shared disk may take to show what a pod wrote last."""
BLOCKED_SECONDS = 120.0
"""How long a container may fail to start: a registry may be away for a moment."""
STOP_SECONDS = 600.0
GOING = ("waiting", "running")


class KubernetesJob:
    """A Job of the cluster."""

    pid = None

    def __init__(
        self, client: KubernetesClient, folder: RunFolder, name: str, *, is_stopping: bool = False
    ) -> None:
        self._client = client
        self._folder = folder
        self._name = name
        self._is_stopping = is_stopping
        self._view = JobView(state="waiting")
        self._looked = float("-inf")
        self._ended_at: float | None = None
        self._blocked_since: float | None = None
        self._blocked: Failure | None = None

    @property
    def handle(self) -> str:
        """Its name, after the launcher's."""
        return f"{LAUNCHER}:{self._name}"

    @property
    def running(self) -> bool:
        """Whether it waits or runs, or has just ended and the disk does not show how."""
        self._look()
        if self._blocked is not None:
            return False
        if self._view.state in GOING:
            return True
        if self._ended_at is None:
            self._ended_at = time.monotonic()
        told = self._folder.read_result() is not None or self._folder.read_failure() is not None
        may_come = self._view.state == "finished" or self._view.exit_code in (1, 2)
        return may_come and not told and time.monotonic() - self._ended_at < SETTLE_SECONDS

    @property
    def waiting(self) -> bool:
        """Whether no container of it is ready."""
        return self._view.state == "waiting"

    def hear(self) -> None:
        """It does not ask for its worker."""

    def stop(self) -> None:
        """Delete it, and come back when none of its pods runs any more."""
        self._is_stopping = True
        handle_stopping(self._folder)
        job_end(self._client, self._name)
        handle_forget(self._folder)
        self._view = JobView(state="gone")

    def leave(self) -> None:
        """It runs on: the next worker finds it."""

    def failure(self) -> Failure | None:
        """Why it did not finish; None where it did."""
        if self._blocked is not None:
            return self._blocked
        failure = kubernetes_failure(self._folder, self._name, self._view)
        if failure is not None and self._is_stopping:
            return Failure(sentence="The Job of an earlier try was still being ended.", may_pass=True)
        return failure

    def close(self) -> None:
        """Forget it, here and in the cluster: what it left to read lies in the run folder."""
        handle_forget(self._folder)
        try:
            self._client.job_delete(self._name)
        except (ClusterAway, LaunchError) as error:
            logger.warning("The Job %s is left to its time to live: %s", self._name, error)

    def _look(self) -> None:
        if time.monotonic() - self._looked < POLL_SECONDS or self._view.state not in GOING:
            return
        self._looked = time.monotonic()
        try:
            job = self._client.job(self._name)
            if job is None:
                self._view = JobView(state="gone")
                return
            ready = bool(job.get("status", {}).get("ready"))
            self._view = job_view(job, [] if ready else self._client.pods(self._name))
        except (ClusterAway, LaunchError) as error:
            logger.warning("Kubernetes cannot be asked for the Job %s: %s", self._name, error)
            return
        if not self._view.blocked:
            self._blocked_since = None
            return
        self._blocked_since = self._blocked_since or self._looked
        if self._looked - self._blocked_since >= BLOCKED_SECONDS:
            why = self._view.blocked
            self.stop()
            self._blocked = blocked_failure(self._name, why)


class KubernetesLauncher:
    """Makes Jobs in the namespace that the options name."""

    def __init__(self, options: Path | None, var: Path, kinds: tuple[str, ...]) -> None:
        self._options = options
        self._var = var
        self._kinds = kinds

    def find(self, work: Work) -> KubernetesJob | None:
        """The Job of this folder, if it was made before its worker died. Raises LaunchError."""
        present = handle_read(work.folder)
        if present is None:
            return None
        client = self._client()
        if not present.handle:
            try:
                made = client.job(present.name)
                if made is None:
                    handle_forget(work.folder)
                    return None
                # What else belongs to it may be missing.
                self._service(client, work, present.name, str(made["metadata"]["uid"]))
            except ClusterAway as error:
                raise _away(error) from error
            handle_write(work.folder, replace(present, handle=present.name))
        return KubernetesJob(client, work.folder, present.name, is_stopping=present.is_stopping)

    def start(self, work: Work) -> KubernetesJob:
        """Make the Job. Raises LaunchError where the cluster refuses it or cannot be reached."""
        options = options_for(work, self._options, KubernetesOptions, kinds=self._kinds, others=(CLUSTER,))
        client = self._client()
        handle = new_handle(LAUNCHER)
        manifest = job_manifest(work, options, name=handle.name, mount=str(self._var))
        handle_write(work.folder, handle)
        try:
            services = self._service(client, work, handle.name, client.job_create(manifest))
        except ClusterAway as error:
            raise _away(error) from error
        except LaunchError:
            # The Job may have been made before its Service was refused.
            with suppress(ClusterAway, LaunchError):
                client.job_delete(handle.name)
            handle_forget(work.folder)
            raise
        shown = yaml.safe_dump_all([manifest, *services], sort_keys=False)
        write_atomically(work.folder.path / MANIFEST, shown)
        handle_write(work.folder, replace(handle, handle=handle.name))
        return KubernetesJob(client, work.folder, handle.name)

    def end(self, work: Work, handle: str) -> None:
        """Delete a Job whose worker has died. Raises LaunchError."""
        name = handle.removeprefix(f"{LAUNCHER}:")
        job_end(self._client(), name)
        present = handle_read(work.folder)
        if present is not None and present.name == name:
            handle_forget(work.folder)

    def _service(
        self, client: KubernetesClient, work: Work, name: str, uid: str
    ) -> list[dict[str, Any]]:  # Any: JSON
        """Make what the pods of several machines meet by; the manifests. Raises LaunchError, ClusterAway."""
        options = options_for(work, self._options, KubernetesOptions, kinds=self._kinds, others=(CLUSTER,))
        if options.nodes == 1:
            return []
        manifest = service_manifest(work, name=name, uid=uid)
        client.service_create(manifest)
        return [manifest]

    def _client(self) -> KubernetesClient:
        return KubernetesClient(section_of(self._options, CLUSTER, ClusterAccess))


def job_end(client: KubernetesClient, name: str) -> None:
    """Delete a Job, and come back when nothing of it runs any more."""
    deadline = time.monotonic() + STOP_SECONDS
    while time.monotonic() < deadline:
        try:
            client.job_delete(name)
            if client.job(name) is None and not client.pods(name):
                return
        except ClusterAway as error:
            logger.warning("Kubernetes cannot be asked to end the Job %s: %s", name, error)
        time.sleep(min(POLL_SECONDS, 1.0))
    logger.error("The Job %s has not ended %.0f s after it was deleted.", name, STOP_SECONDS)


def _away(error: ClusterAway) -> LaunchError:
    sentence = f"Kubernetes cannot be reached ({error}): look after the API server, then retry."
    return LaunchError(Failure(sentence=sentence, may_pass=True))
