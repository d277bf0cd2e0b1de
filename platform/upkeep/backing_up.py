"""Makes a backup: the database as of one moment, and then every file that it refers to, while work goes on.

Files are read after the database's snapshot was taken. A finished artifact is never written again, so what
the snapshot refers to is as it was; files of programs that run are as a crash would leave them, from which
programs go on. Nothing is a backup until its folder has its name: a killed one is overwritten by the next.
"""

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from accounts.audit.sealing import head
from accounts.errors import Conflict, Invalid
from accounts.services import audit_record_named
from pretrain.run import sync_folder
from registry.content import content_files
from upkeep.blobs import BlobStore
from upkeep.copying import FOLDERS, Copier
from upkeep.keys import keys_save
from upkeep.manifest import (
    DUMP,
    KEYS,
    PARTIAL,
    FileEntry,
    KeysKind,
    Manifest,
    OutsideFolder,
    backup_folder,
    backups_found,
    manifest_read,
    manifest_write,
)
from upkeep.postgres_tools import tool, tool_environment
from upkeep.progress import Say, megabytes
from upkeep.referred import PURGED, Proven, content_hash_of, proven_folders

LOCK = 0x5550_4B45_4550
"""Whoever backs up holds it with others; who deletes files holds it alone."""
POLL_SECONDS = 0.05
SAY_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a backup came to."""

    manifest: Manifest
    num_read: int
    """Files that were read; the others were known from earlier backups."""
    bytes_read: int
    bytes_freed: int


def backup_make(
    out: Path, *, keys: KeysKind, passphrase: str = "", keep: int | None = None, say: Say
) -> Made:
    """Back up database, files and keys into the folder of backups `out`.

    With `keep`, only so many of the newest backups stay. Raises Conflict, Invalid, Unavailable.
    """
    if keys == "encrypted" and not passphrase:
        raise Invalid("Encrypted keys need a passphrase: give a file that holds one.")
    if out.resolve().is_relative_to(settings.ACCORD_VAR.resolve()):
        raise Invalid(f"{out} lies in the folder that is backed up: choose another, best on another disk.")
    (out / "backups").mkdir(parents=True, exist_ok=True)
    with _alone(out), _files_stay():
        for left in (out / "backups").glob(f".*{PARTIAL}"):
            shutil.rmtree(left)
        name = _new_name(out)
        partial = out / "backups" / f".{name}{PARTIAL}"
        partial.mkdir(mode=0o700)
        manifest, copier = _fill(out, partial, name, keys, passphrase, say)
        manifest_write(partial, manifest)
        _sync(partial)
        partial.rename(backup_folder(out, name))
        sync_folder(out / "backups")
        about = {"files": len(manifest.files), "bytes": manifest.num_bytes, "keys": keys}
        audit_record_named(None, "backup.make", ("backup", name), about)
        freed = _prune(out, keep) if keep else 0
    return Made(manifest=manifest, num_read=copier.num_read, bytes_read=copier.bytes_read, bytes_freed=freed)


def _fill(
    out: Path, partial: Path, name: str, keys: KeysKind, passphrase: str, say: Say
) -> tuple[Manifest, Copier]:
    """Dump, copy, check."""
    var = settings.ACCORD_VAR
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SELECT pg_export_snapshot(), now(), current_setting('server_version')")
        snapshot, moment, version = cursor.fetchone()
        dumping = _dump_start(partial / DUMP, snapshot)
        proven = proven_folders()
        applied = MigrationRecorder(connection).applied_migrations()
        migrations = {app: max(n for a, n in applied if a == app) for app, _ in applied}
        audit_head = str(head())
        _dump_wait(dumping, partial / DUMP, say)
    earlier = backups_found(out)
    known = manifest_read(out, earlier[-1]).files if earlier else []
    copier = Copier(BlobStore(out), known, say)
    outside = [
        OutsideFolder(was=str(each.path), folder=f"outside/{each.content_hash}")
        for each in proven
        if not each.path.resolve().is_relative_to(var.resolve()) and each.path.is_dir()
    ]
    roots = {folder: var / folder for folder in FOLDERS}
    copier.copy({**roots, **{each.folder: Path(each.was) for each in outside}})
    problems = [said for each in proven if (said := _problem(each, var, outside, copier.entries))]
    with (partial / DUMP).open("rb") as dump:
        database_sha256 = hashlib.file_digest(dump, "sha256").hexdigest()
    manifest = Manifest(
        name=name,
        created_at=moment.isoformat(),
        var=str(var),
        migrations=migrations,
        audit_head=audit_head,
        server_version=version,
        database_sha256=database_sha256,
        database_bytes=(partial / DUMP).stat().st_size,
        keys=keys,
        key_files=keys_save(var, partial / KEYS, keys, passphrase),
        files=list(copier.entries.values()),
        outside=outside,
        problems=problems,
    )
    return manifest, copier


def _dump_start(path: Path, snapshot: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [
            *(tool("pg_dump"), "--format=custom", "--no-owner", "--no-privileges", "--no-password"),
            *(f"--snapshot={snapshot}", f"--file={path}"),
        ],
        env=tool_environment(),
        stderr=subprocess.PIPE,
    )


def _dump_wait(dumping: "subprocess.Popen[bytes]", path: Path, say: Say) -> None:
    """Until pg_dump has ended. Raises Conflict with what it said."""
    said = time.monotonic()
    try:
        while dumping.poll() is None:
            time.sleep(POLL_SECONDS)
            if time.monotonic() - said > SAY_SECONDS and path.exists():
                said = time.monotonic()
                say(f"database: {megabytes(path.stat().st_size)} written")
        _, error = dumping.communicate()
    finally:
        if dumping.poll() is None:
            dumping.kill()
            dumping.wait()
    if dumping.returncode:
        raise Conflict(f"pg_dump could not save the database: {error.decode(errors='replace').strip()}")


def _problem(
    each: Proven, var: Path, outside: list[OutsideFolder], entries: dict[str, FileEntry]
) -> str | None:
    """What is wrong with a folder that the database knows by its hash, as it was copied."""
    prefix = next((other.folder for other in outside if other.was == str(each.path)), None)
    if prefix is None:
        if not each.path.is_relative_to(var):
            return f"{each.what} is not at {each.path}."
        prefix = each.path.relative_to(var).as_posix()
    hashes = {
        path.removeprefix(f"{prefix}/"): entry.sha256
        for path, entry in entries.items()
        if path.startswith(f"{prefix}/")
    }
    found = content_hash_of(hashes, is_snapshot=each.is_snapshot)
    if found is None and not (each.path.is_dir() and content_files(each.path)):
        return f"{each.what} is not at {each.path}."
    if found == each.content_hash or any(name.endswith(PURGED) for name in hashes):
        return None
    return f"{each.what} at {each.path} is not what its hash says."


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    """One backup at a time into this folder. Raises Conflict."""
    handle = os.open(out / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.lockf(handle, os.F_TLOCK, 0)
        yield
    except BlockingIOError as error:
        raise Conflict(f"Another backup into {out} is under way: wait for its end.") from error
    finally:
        os.close(handle)


@contextmanager
def _files_stay() -> Iterator[None]:
    """Nobody collects garbage meanwhile. Raises Conflict where somebody does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock_shared(%s)", [LOCK])
        if not cursor.fetchone()[0]:
            raise Conflict("Garbage is being collected: wait for its end.")
        try:
            yield
        finally:
            with connection.cursor() as again:
                again.execute("SELECT pg_advisory_unlock_shared(%s)", [LOCK])


def _new_name(out: Path) -> str:
    name = timezone.now().strftime("%Y%m%d-%H%M%S")
    number = 2
    found = name
    while backup_folder(out, found).exists():
        found, number = f"{name}-{number}", number + 1
    return found


def _sync(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as content:
                os.fsync(content.fileno())
    sync_folder(folder)


def _prune(out: Path, keep: int) -> int:
    """Delete all but the newest backups, and the contents that only they had; how many bytes."""
    names = backups_found(out)
    for name in names[:-keep]:
        doomed = backup_folder(out, name)
        hidden = doomed.with_name(f".{name}{PARTIAL}")
        doomed.rename(hidden)
        shutil.rmtree(hidden)
    kept = {entry.sha256 for name in names[-keep:] for entry in manifest_read(out, name).files}
    return BlobStore(out).forget_all_but(kept)
