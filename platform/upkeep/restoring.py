"""Puts a backup back on an empty machine: files, keys, the database; then work goes on where it was.

Refused where there is anything already. A restore that was broken off is taken up again by the same command:
the database comes back in one transaction, files are written anew, and a note in the var folder says so.
"""

import json
import os
import subprocess
from pathlib import Path

from django.conf import settings
from django.core.management import call_command
from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader

from accounts.errors import Conflict, Invalid
from accounts.services import audit_record_named
from alignment.models import Program
from upkeep.blobs import BlobStore
from upkeep.copying import FOLDERS
from upkeep.keys import keys_put_back
from upkeep.manifest import DUMP, KEYS, Manifest, backup_folder, manifest_read
from upkeep.moving import Moves, files_move, rows_move
from upkeep.postgres_tools import tool, tool_environment
from upkeep.progress import CopyProgress, Say

NOTE = "restoring.json"
TABLES = (
    "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE nspname = 'public'"
)


def backup_restore(out: Path, name: str = "", *, passphrase: str = "", say: Say) -> Manifest:
    """Restore the backup `name`, or the newest, of the folder of backups `out`.

    The settings name the empty database and the empty var folder. Raises Conflict, Invalid, NotFound.
    """
    manifest = manifest_read(out, name)
    folder, var = backup_folder(out, manifest.name), settings.ACCORD_VAR
    if manifest.keys == "encrypted" and not passphrase:
        raise Invalid("The backup's keys are encrypted: give the file with their passphrase.")
    _refuse_newer(manifest)
    going_on = _begin(var, manifest)
    _files(out, manifest, var, say)
    keys_put_back(folder / KEYS, manifest.key_files, var, manifest.keys, passphrase)
    if not (going_on and _num_tables()):
        say("database: being restored")
        _database(folder / DUMP)
    call_command("migrate", interactive=False, verbosity=0)
    moves = _moves(manifest, var)
    if moves:
        files_move(var / "runs", moves)
    with transaction.atomic():
        num_moved = rows_move(moves) if moves else 0
        num_stopped = programs_put_back()
        data = {"created_at": manifest.created_at, "paths": num_moved, "programs": num_stopped}
        audit_record_named(None, "backup.restore", ("backup", manifest.name), data)
    (var / NOTE).unlink()
    return manifest


def programs_put_back() -> int:
    """Programs that ran, or were about to, wait for a worker again: theirs is elsewhere; how many."""
    held = Program.objects.filter(state__in=[Program.State.QUEUED, Program.State.RUNNING])
    num = held.update(state=Program.State.PENDING)
    Program.objects.exclude(lease_expires_at=None, pid=None).update(
        lease_expires_at=None, pid=None, worker=""
    )
    return num


def _refuse_newer(manifest: Manifest) -> None:
    ours = set(MigrationLoader(None).disk_migrations)
    unknown = [f"{app}.{name}" for app, name in manifest.migrations.items() if (app, name) not in ours]
    if unknown:
        raise Invalid(
            f"The backup is of a newer release: this one has no {unknown[0]}. Install the newer one."
        )


def _begin(var: Path, manifest: Manifest) -> bool:
    """Note that this backup is being restored; whether that had begun before. Raises Conflict."""
    note = var / NOTE
    told = {"backup": manifest.name, "sha256": manifest.database_sha256}
    if note.exists():
        if json.loads(note.read_text()) == told:
            return True
        raise Conflict(
            f"Another backup was being restored into {var}: empty the folder and the database first."
        )
    if num := _num_tables():
        raise Conflict(f"The database has {num} tables already: restore into an empty one.")
    for name in FOLDERS:
        if (var / name).exists() and any((var / name).iterdir()):
            raise Conflict(f"{var / name} is not empty: restore into a new var folder.")
    var.mkdir(parents=True, exist_ok=True)
    note.write_text(json.dumps(told))
    return False


def _files(out: Path, manifest: Manifest, var: Path, say: Say) -> None:
    store = BlobStore(out)
    progress = CopyProgress("files", manifest.num_bytes, say)
    for entry in manifest.files:
        target = _target(var, entry.path)
        store.give(entry.sha256, target)
        os.utime(target, ns=(entry.modified_ns, entry.modified_ns))
        progress.add(entry.num_bytes)


def _target(var: Path, name: str) -> Path:
    """Where a file goes; models that lay elsewhere go to the other checkpoints. Raises Invalid."""
    path = Path(name)
    if path.is_absolute() or ".." in path.parts:
        raise Invalid(f"The backup names a file outside of its folder: {name}.")
    parts = path.parts
    return var / "checkpoints" / Path(*parts[1:]) if parts[0] == "outside" else var / path


def _moves(manifest: Manifest, var: Path) -> Moves:
    moves = {
        each.was: str(var / "checkpoints" / Path(each.folder).name)
        for each in sorted(manifest.outside, key=lambda each: -len(each.was))
    }
    if manifest.var != str(var):
        moves[manifest.var] = str(var)
    return moves


def _database(dump: Path) -> None:
    """All of it in one transaction. Raises Conflict with what pg_restore said."""
    command: list[str | Path] = [
        *(tool("pg_restore"), "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges"),
        *("--no-password", f"--dbname={connection.settings_dict['NAME']}", dump),
    ]
    done = subprocess.run(command, env=tool_environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise Conflict(f"pg_restore could not put the database back: {done.stderr.strip()}")


def _num_tables() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"{TABLES} AND relkind = 'r'")
        return int(cursor.fetchone()[0])
