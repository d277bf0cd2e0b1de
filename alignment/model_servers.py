"""Keeps a vLLM server behind every managed deployment: starts, swaps weights, restarts, stops.

One process runs this (`manage.py serve_deployments`). The rows say what is wanted; the servers are its
children. A deployment that replaces another of the same architecture takes over its server: the weights
move into the running engine, and only after the canary check is the deployment live. Where the check
fails the server is started anew with the new weights.
"""

import json
import logging
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from alignment.programs import EngineConfig, ServeConfig
from alignment.running import stop_group
from alignment.serving import CanaryError, server_ready, server_swap
from pretrain.run import RunFolder
from registry.models import Deployment
from registry.services import deployment_fail, deployment_mark_live, deployment_retire

logger = logging.getLogger(__name__)

MAX_STARTS = 3


@dataclass(kw_only=True)
class ModelServer:
    """One running vLLM server and the deployment it answers for."""

    deployment_id: int
    folder: RunFolder
    base_url: str
    process: "subprocess.Popen[bytes]"
    architecture: object
    """What the checkpoint's config.json says: weights may only move between equal ones."""
    num_starts: int = 1
    ready: bool = False

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self.process.poll() is None


class ModelServers:
    """All servers of this machine."""

    def __init__(self, engine: EngineConfig) -> None:
        self._engine = engine
        self._servers: dict[int, ModelServer] = {}

    def reconcile(self) -> None:
        """Bring the servers one step nearer to what the rows want. Never waits long."""
        wanted = Deployment.objects.filter(managed=True).select_related("checkpoint", "replaces")
        for deployment in wanted.filter(state=Deployment.State.REQUESTED).order_by("pk"):
            self._begin(deployment)
        for deployment in wanted.filter(state__in=[Deployment.State.STARTING, Deployment.State.LIVE]):
            self._keep(deployment)
        retired = [pk for pk in self._servers if not self._is_wanted(pk)]
        for pk in retired:
            self._stop(pk)

    def stop_all(self) -> None:
        """Stop every server."""
        for pk in list(self._servers):
            self._stop(pk)

    def _is_wanted(self, deployment_id: int) -> bool:
        return Deployment.objects.filter(
            pk=deployment_id,
            state__in=[Deployment.State.REQUESTED, Deployment.State.STARTING, Deployment.State.LIVE],
        ).exists()

    def _begin(self, deployment: Deployment) -> None:
        """Take over the replaced deployment's server, or start one."""
        old = self._servers.get(deployment.replaces_id) if deployment.replaces_id else None
        architecture = _architecture(deployment)
        if architecture is None:
            deployment_fail(deployment, f"There is no checkpoint at {deployment.checkpoint.path}.")
            return
        if old is not None and old.running and old.ready and old.architecture == architecture:
            self._swap(deployment, old)
        else:
            self._start(deployment, num_starts=1)

    def _swap(self, deployment: Deployment, server: ModelServer) -> None:
        """Move the new weights into the running server; the old deployment stops answering first."""
        assert deployment.replaces is not None
        deployment_retire(deployment.replaces)
        del self._servers[server.deployment_id]
        server.deployment_id = deployment.pk
        self._servers[deployment.pk] = server
        try:
            server_swap(server.base_url, Path(deployment.checkpoint.path))
        except CanaryError as error:
            logger.warning("%s: %s; starting the server anew", deployment.name, error)
            self._stop(deployment.pk)
            self._start(deployment, num_starts=1)
            return
        served_name = ServeConfig.model_validate_json(server.folder.config_path.read_text()).served_name
        deployment_mark_live(deployment, base_url=server.base_url, served_name=served_name)

    def _start(self, deployment: Deployment, *, num_starts: int) -> None:
        port = _free_port()
        folder = RunFolder(settings.ACCORD_RUNS / "servers" / f"deployment-{deployment.pk}")
        config = ServeConfig(
            checkpoint=Path(deployment.checkpoint.path),
            served_name=deployment.name,
            port=port,
            engine=self._engine,
        )
        folder.write_config(config)
        with (folder.path / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "alignment.sampling.serve", str(folder.config_path)],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=settings.ACCORD_REPOSITORY,
                env=settings.ACCORD_PROGRAM_ENVIRONMENT(num_threads=self._engine.num_threads),
                start_new_session=True,
            )
        self._servers[deployment.pk] = ModelServer(
            deployment_id=deployment.pk,
            folder=folder,
            base_url=f"http://127.0.0.1:{port}",
            process=process,
            architecture=_architecture(deployment),
            num_starts=num_starts,
        )
        Deployment.objects.filter(pk=deployment.pk).update(state=Deployment.State.STARTING, error="")

    def _keep(self, deployment: Deployment) -> None:
        """Mark a started server live once it answers; start a dead one again, a few times."""
        server = self._servers.get(deployment.pk)
        if server is None:
            self._start(deployment, num_starts=1)
        elif not server.running:
            if server.num_starts >= MAX_STARTS:
                deployment_fail(
                    deployment,
                    f"Its server ended {MAX_STARTS} times; its log is {server.folder.path}/log.txt.",
                )
                del self._servers[deployment.pk]
            else:
                self._start(deployment, num_starts=server.num_starts + 1)
        elif not server.ready and server_ready(server.base_url):
            server.ready = True
            deployment_mark_live(deployment, base_url=server.base_url, served_name=deployment.name)
            if deployment.replaces is not None:
                deployment_retire(deployment.replaces)

    def _stop(self, deployment_id: int) -> None:
        server = self._servers.pop(deployment_id)
        if server.running:
            stop_group(server.process)


def _architecture(deployment: Deployment) -> object:
    """The checkpoint's config.json as data, or None where there is none."""
    path = Path(deployment.checkpoint.path) / "config.json"
    return json.loads(path.read_text()) if path.exists() else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
