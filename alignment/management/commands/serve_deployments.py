"""`manage.py serve_deployments`: keep a vLLM server behind every managed deployment, until told to stop."""

import signal
import threading

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections

from alignment.model_servers import ModelServers
from alignment.programs import EngineConfig


class Command(BaseCommand):
    """Run the reconciler of model servers."""

    help = "Keep a vLLM server behind every managed deployment, until told to stop."

    def add_arguments(self, parser: CommandParser) -> None:
        """The engine's size."""
        parser.add_argument("--threads", type=int, default=1, help="CPU threads of one server")
        parser.add_argument("--kv-cache-gib", type=float, default=0.25, help="KV cache of one server, in GiB")

    def handle(self, *args: object, **options: int | float) -> None:
        """Reconcile twice a second."""
        stop = threading.Event()
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: stop.set())
        engine = EngineConfig(
            num_threads=int(options["threads"]), kv_cache_gib=float(options["kv_cache_gib"])
        )
        servers = ModelServers(engine)
        try:
            while not stop.is_set():
                close_old_connections()
                servers.reconcile()
                stop.wait(0.5)
        finally:
            servers.stop_all()
