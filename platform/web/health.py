"""Is this process able to work? Asked by load balancers, the local stack and people."""

from collections.abc import Callable

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse

TIMEOUT_SECONDS = 2.0


class ProbeMiddleware:
    """Answers `/livez` and `/readyz` before anything else: who probes a process asks it by its address,
    without TLS, and is neither redirected nor refused for that. The outermost of all: probes are not counted.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self._probes = {"/livez": livez, "/readyz": readyz}

    def __call__(self, request: HttpRequest) -> HttpResponse:
        probe = self._probes.get(request.path_info)
        return self.get_response(request) if probe is None else probe(request)


def livez(request: HttpRequest) -> HttpResponse:
    """200 while the process answers at all: restart it where it does not."""
    return HttpResponse("ok", content_type="text/plain")


def readyz(request: HttpRequest) -> JsonResponse:
    """200 when it may be sent requests: the database and the broker answer, and the tables are this
    version's; else 503."""
    parts = {"database": _database_state(), "broker": _broker_state()}
    if parts["database"] == "ok":
        parts["migrations"] = _migrations_state()
    ready = all(state == "ok" for state in parts.values())
    return JsonResponse({"ready": ready, **parts}, status=200 if ready else 503)


def healthz(request: HttpRequest) -> JsonResponse:
    """200 when the database and the broker answer, else 503; each part with "ok" or what is wrong."""
    parts = {"database": _database_state(), "broker": _broker_state()}
    healthy = all(state == "ok" for state in parts.values())
    return JsonResponse({"healthy": healthy, **parts}, status=200 if healthy else 503)


def _database_state() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return type(error).__name__
    return "ok"


def _migrations_state() -> str:
    executor = MigrationExecutor(connection)
    waiting = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return f"{len(waiting)} to apply: run manage.py migrate" if waiting else "ok"


def _broker_state() -> str:
    client = redis.Redis.from_url(
        settings.CELERY_BROKER_URL, socket_connect_timeout=TIMEOUT_SECONDS, socket_timeout=TIMEOUT_SECONDS
    )
    try:
        client.ping()
    except redis.RedisError as error:
        return type(error).__name__
    finally:
        client.close()
    return "ok"
