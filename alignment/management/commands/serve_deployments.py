"""`manage.py serve_deployments`: keep a vLLM server behind every managed deployment, until told to stop."""

import logging
import signal
import threading
import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import InterfaceError, OperationalError, close_old_connections, connection

from accounts.errors import Conflict
from alignment.deployment_notices import DeploymentNotices
from alignment.model_servers import ModelServers
from alignment.programs import EngineConfig
from alignment.server_processes import SERVER_MODULE, servers_own

logger = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
LONGEST_REST_SECONDS = 30.0
"""A look is taken once in so long, whatever notices may have been missed."""


class Command(BaseCommand):
    """Run the reconciler of model servers."""

    help = "Keep a vLLM server behind every managed deployment, until told to stop."

    def add_arguments(self, parser: CommandParser) -> None:
        """The engine's size."""
        parser.add_argument("--threads", type=int, default=1, help="CPU threads of one server")
        parser.add_argument("--kv-cache-gib", type=float, default=0.25, help="KV cache of one server, in GiB")
        parser.add_argument("--module", default=SERVER_MODULE, help="the program that serves one model")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Reconcile twice a second while there is something to do, else when a row changes."""
        stop = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: stop.set())
        engine = EngineConfig(
            num_threads=int(options["threads"]), kv_cache_gib=float(options["kv_cache_gib"])
        )
        try:
            owned = servers_own()
        except Conflict as error:
            raise CommandError(str(error)) from error
        servers = ModelServers(engine, module=options["module"])
        notices = DeploymentNotices()
        try:
            while not stop.is_set():
                if look(servers) and servers.settled:
                    rest(servers, notices, stop)
                else:
                    stop.wait(LOOK_SECONDS)
        finally:
            servers.stop_all()
            notices.close()
            owned.close()


def look(servers: ModelServers) -> bool:
    """Reconcile; False where the database is away, while the servers go on answering."""
    try:
        close_old_connections()
        servers.reconcile()
    except (InterfaceError, OperationalError) as error:
        logger.warning("the database cannot be reached, trying again: %s", error)
        connection.close()
        return False
    return True


def rest(servers: ModelServers, notices: DeploymentNotices, stop: threading.Event) -> None:
    """Ask nothing of the database until a row changes or a server ends."""
    until = time.monotonic() + LONGEST_REST_SECONDS
    while not stop.is_set() and servers.all_running() and time.monotonic() < until:
        if notices.wait(LOOK_SECONDS):
            return
