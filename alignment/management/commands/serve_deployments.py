"""`manage.py serve_deployments`: keep a vLLM server behind every managed deployment, until told to stop."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import close_old_connections

from accounts.errors import Conflict
from alignment.model_servers import ModelServers
from alignment.programs import EngineConfig
from alignment.server_processes import SERVER_MODULE, servers_own


class Command(BaseCommand):
    """Run the reconciler of model servers."""

    help = "Keep a vLLM server behind every managed deployment, until told to stop."

    def add_arguments(self, parser: CommandParser) -> None:
        """The engine's size."""
        parser.add_argument("--threads", type=int, default=1, help="CPU threads of one server")
        parser.add_argument("--kv-cache-gib", type=float, default=0.25, help="KV cache of one server, in GiB")
        parser.add_argument("--module", default=SERVER_MODULE, help="the program that serves one model")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Reconcile twice a second."""
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
        try:
            while not stop.is_set():
                close_old_connections()
                servers.reconcile()
                stop.wait(0.5)
        finally:
            servers.stop_all()
            owned.close()
