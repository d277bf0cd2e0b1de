"""Keeps a vLLM server behind every managed deployment, proves what each holds, and takes releases live.

One process runs this (`manage.py serve_deployments`). The rows say what is wanted; the servers are its
children. No deployment answers before its server's log-probabilities were those of its checkpoint: not after
a start, not after a restart, not after an exchange of weights.

The models of a release that waits are started beside those that answer, or move into the servers of those
that they replace, where the architecture is the same: then all such servers are shut, all get the new
weights, all are proved, and only then does the release go live, in one transaction. Where one is not proved
the old weights go back into all of them and the old release goes on; the models that would not move are
started beside it.
"""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import InterfaceError, OperationalError

from alignment.artifacts import ArtifactError, checkpoint_fetch, checkpoints_absent
from alignment.programs import EngineConfig
from alignment.server_processes import SERVER_MODULE, ServerProcess, server_start
from alignment.serving import (
    CanaryError,
    CanaryUnanswered,
    Proof,
    ServerExchange,
    server_label,
    server_prove,
    server_ready,
)
from annotation.models import Release
from annotation.services import deployment_lose, release_fail, release_go_live
from registry.models import Deployment
from registry.services import Served, deployment_mark_live, deployment_mark_ready, deployment_mark_starting

logger = logging.getLogger(__name__)

State = Deployment.State
MAX_STARTS: int = settings.ACCORD_PROGRAM_ATTEMPTS
ACTIVE = (State.REQUESTED, State.STARTING, State.READY, State.LIVE)


@dataclass(kw_only=True)
class ModelServer:
    """One server and what is known of it."""

    process: ServerProcess
    num_starts: int = 1
    proved: bool = False


@dataclass(frozen=True, kw_only=True)
class Move:
    """New weights on their way into the server of the deployment that they replace."""

    new: Deployment
    old: Deployment
    server: ModelServer
    exchange: ServerExchange


class ModelServers:
    """All servers of this machine."""

    def __init__(self, engine: EngineConfig, *, module: str = SERVER_MODULE) -> None:
        self._engine = engine
        self._module = module
        self._servers: dict[int, ModelServer] = {}
        """By the deployment's number."""
        self._unmovable: set[int] = set()
        """Deployments whose weights would not move into a running server."""
        self.settled = False
        """Whether the last look found nothing more to do until a row changes or a server ends."""

    def reconcile(self) -> None:
        """Bring the servers one step nearer to what the rows want. Waits for an exchange of weights alone."""
        wanted = {
            deployment.pk: deployment
            for deployment in Deployment.objects.filter(managed=True, state__in=ACTIVE).select_related(
                "checkpoint", "replaces__checkpoint"
            )
        }
        for pk in [pk for pk in self._servers if pk not in wanted]:
            self._stop(pk)
        for deployment in wanted.values():
            if deployment.pk not in self._servers and not self._moves(deployment):
                self._start(deployment, num_starts=1)
            elif deployment.pk in self._servers:
                self._keep(deployment)
        pending = list(Release.objects.filter(state=Release.State.PENDING).select_related("project"))
        for release in pending:
            self._advance(release)
        self.settled = (
            not pending
            and set(wanted) == set(self._servers)
            and all(server.proved for server in self._servers.values())
        )

    def all_running(self) -> bool:
        """Whether no server has ended since the last look; asks nobody."""
        return all(server.process.running for server in self._servers.values())

    def stop_all(self) -> None:
        """Stop every server."""
        for pk in list(self._servers):
            self._stop(pk)

    def _start(self, deployment: Deployment, *, num_starts: int) -> None:
        for checkpoint in checkpoints_absent(deployment.checkpoint.path):
            try:
                checkpoint_fetch(checkpoint)
            except ArtifactError as error:
                deployment_lose(deployment, str(error))
                return
        if _architecture(deployment) is None:
            deployment_lose(deployment, f"There is no checkpoint at {deployment.checkpoint.path}.")
            return
        deployment_mark_starting(deployment)
        self._servers[deployment.pk] = ModelServer(
            process=server_start(
                f"deployment-{deployment.pk}",
                checkpoint=Path(deployment.checkpoint.path),
                served_name=deployment.name,
                engine=self._engine,
                module=self._module,
            ),
            num_starts=num_starts,
        )

    def _keep(self, deployment: Deployment) -> None:
        """Start a dead server again, a few times; prove one that has come up."""
        server = self._servers[deployment.pk]
        if not server.process.running:
            self._start_again(deployment, server, "ended")
        elif not server.proved and server_ready(server.process.base_url):
            try:
                proof = server_prove(server.process.base_url, Path(deployment.checkpoint.path))
                server_label(server.process.base_url, deployment.checkpoint.content_hash)
            except CanaryUnanswered as error:
                logger.warning("%s: %s", deployment.name, error)
                self._start_again(deployment, server, "did not answer its canary")
            except CanaryError as error:
                self._stop(deployment.pk)
                deployment_lose(deployment, str(error))
            else:
                server.proved = True
                self._admit(deployment, _served(server, proof))

    def _start_again(self, deployment: Deployment, server: ModelServer, deed: str) -> None:
        self._stop(deployment.pk)
        if server.num_starts >= MAX_STARTS:
            log = server.process.log
            deployment_lose(deployment, f"Its server {deed} {MAX_STARTS} times; its log is {log}.")
        else:
            self._start(deployment, num_starts=server.num_starts + 1)

    def _admit(self, deployment: Deployment, served: Served) -> None:
        """A proved one answers now; or with its release, where that waits and nobody else has it."""
        waits = deployment.releases.filter(state=Release.State.PENDING).exists()
        if waits and not deployment.projects.exists():
            deployment_mark_ready(deployment, served)
        else:
            deployment_mark_live(deployment, served)

    def _moves(self, deployment: Deployment) -> bool:
        """Whether the requested deployment is to take over a server: of one that only its project has."""
        old = deployment.replaces
        if deployment.state != State.REQUESTED or old is None or old.state not in ACTIVE:
            return False
        if deployment.pk in self._unmovable or _architecture(old) != _architecture(deployment):
            return False
        owners = set(deployment.releases.values_list("project", flat=True))
        return set(old.projects.values_list("pk", flat=True)) == owners

    def _proved_server(self, deployment: Deployment) -> ModelServer | None:
        server = self._servers.get(deployment.pk)
        return server if server is not None and server.process.running and server.proved else None

    def _advance(self, release: Release) -> None:
        """Take a release live whose models are all proved or can move now; give up one that lost a model."""
        members = list(
            release.deployments.select_related("checkpoint", "replaces__checkpoint").order_by("pk")
        )
        lost = next((each for each in members if each.state in (State.FAILED, State.RETIRED)), None)
        if lost is not None:
            release_fail(release, f"{lost.name} could not be deployed: {lost.error or 'it was retired.'}")
            return
        moves = []
        for deployment in members:
            if deployment.state in (State.READY, State.LIVE):
                continue
            old = deployment.replaces
            server = self._proved_server(old) if old is not None and self._moves(deployment) else None
            if old is None or server is None:
                return
            moves.append(
                Move(
                    new=deployment,
                    old=old,
                    server=server,
                    exchange=ServerExchange(server.process.base_url),
                )
            )
        if not moves:
            release_go_live(release)
        else:
            self._exchange(release, moves)

    def _exchange(self, release: Release, moves: list[Move]) -> None:
        """Move all new weights in, go live, and open; or put all old weights back."""
        served: dict[int, Served] = {}
        begun: list[Move] = []
        for move in moves:
            begun.append(move)
            try:
                move.exchange.shut()
                proof = move.exchange.load(Path(move.new.checkpoint.path))
            except CanaryError as error:
                logger.warning("%s: %s; starting a server of its own", move.new.name, error)
                self._unmovable.add(move.new.pk)
                self._put_back(begun)
                return
            served[move.new.pk] = _served(move.server, proof)
        try:
            is_live = release_go_live(release, served)
        except (InterfaceError, OperationalError):
            # Nobody knows whether that was committed: servers made anew hold what the rows say.
            for move in moves:
                self._stop(move.old.pk)
            raise
        if not is_live:
            self._put_back(begun)
            return
        for move in moves:
            self._servers[move.new.pk] = self._servers.pop(move.old.pk)
            try:
                move.exchange.open(move.new.checkpoint.content_hash)
            except CanaryError as error:
                logger.warning("%s: %s; starting its server anew", move.new.name, error)
                self._start_anew(move.new)

    def _put_back(self, moves: list[Move]) -> None:
        """The old weights answer again; where they cannot be proved either, their server starts anew."""
        for move in moves:
            try:
                move.exchange.load(Path(move.old.checkpoint.path))
                move.exchange.open(move.old.checkpoint.content_hash)
            except CanaryError as error:
                logger.warning("%s: %s; starting its server anew", move.old.name, error)
                self._start_anew(move.old)

    def _start_anew(self, deployment: Deployment) -> None:
        self._stop(deployment.pk)
        self._start(deployment, num_starts=1)

    def _stop(self, deployment_id: int) -> None:
        self._servers.pop(deployment_id).process.stop()


def _served(server: ModelServer, proof: Proof | None) -> Served:
    return Served(
        base_url=server.process.base_url,
        served_name=server.process.served_name,
        canary_difference=None if proof is None else proof.difference,
        canary_tolerance=None if proof is None else proof.tolerance,
    )


def _architecture(deployment: Deployment) -> object:
    """The checkpoint's config.json as data, None where there is none: weights move between equal ones."""
    path = Path(deployment.checkpoint.path) / "config.json"
    return json.loads(path.read_text()) if path.exists() else None
