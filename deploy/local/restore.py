"""Puts a backup back as the local stack's own data, on a machine that has none yet.

    python -m deploy.local.restore OUT [--backup NAME] [--passphrase-file FILE]

Starts the local PostgreSQL on a new data folder, has `manage.py restore` do the work, and stops it again:
then `make serve`. Everything lies under ACCORD_VAR (by default `var`).
"""

import secrets
import subprocess
import sys
from collections.abc import Sequence

from accord.env import REPOSITORY, process_environment, var_folder
from deploy.local.errors import StackError
from deploy.local.guard import MARK, SERVER, new_mark, start_guard
from deploy.local.postgres import postgres_child, postgres_url, postgres_wait
from deploy.local.state import lock_take

SECONDS_TO_STOP = 10.0


def main(arguments: Sequence[str]) -> int:
    """Restore; the exit status."""
    var = var_folder()
    lock = lock_take(var)
    if lock is None:
        sys.stderr.write(f"The stack in {var} is running: stop it, or set ACCORD_VAR to a new folder.\n")
        return 1
    mark = new_mark(var)
    guard = start_guard(mark, inherited=[lock])
    folder = var / "postgres"
    try:
        server = postgres_child(
            folder,
            log=var / "log" / "postgres.log",
            environment={"LANG": "C.UTF-8", "TZ": "UTC", MARK: SERVER + mark},
        )
        server.start()
        try:
            postgres_wait(server)
            values = {
                "DATABASE_URL": postgres_url(folder),
                "REDIS_URL": "redis://",  # nobody asks it
                "SECRET_KEY": secrets.token_urlsafe(50),  # the backup's own is put back
                "ACCORD_VAR": str(var),
                MARK: mark,
            }
            return subprocess.run(
                [sys.executable, "manage.py", "restore", *arguments],
                env=process_environment(values),
                cwd=REPOSITORY,
                check=False,
            ).returncode
        finally:
            server.stop_ask()
            server.stop_wait(SECONDS_TO_STOP)
    except StackError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        guard.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
