"""How import commands tell what became of a file, and with which status they end."""

from collections import Counter
from pathlib import Path

from django.core.management.base import CommandError, OutputWrapper

from accounts.errors import NotFound
from annotation.importing.refusal import Reason, Refusal
from annotation.models import Project
from annotation.privacy import Kind
from annotation.services.masking import counted

MAX_DETAIL = 120


def project_named(slug: str) -> Project:
    """The project. Raises NotFound with what to do."""
    project = Project.objects.filter(slug=slug).first()
    if project is None:
        raise NotFound(f"There is no project {slug!r}: make it with `manage.py create_project {slug}`.")
    return project


def file_named(path: Path) -> Path:
    """The path, if a file is there. Raises CommandError."""
    if not path.is_file():
        raise CommandError(f"There is no file {path}.")
    return path


def data_named(path: Path) -> Path:
    """The path, if a file or a folder is there. Raises CommandError."""
    if not path.is_file() and not path.is_dir():
        raise CommandError(f"There is no file or folder {path}.")
    return path


def write_refusal(err: OutputWrapper, refusal: Refusal) -> None:
    """One refused row, on a line of its own."""
    text = " ".join(str(refusal).split())
    err.write(text if len(text) <= MAX_DETAIL else f"{text[:MAX_DETAIL]}…")


def write_summary(
    out: OutputWrapper, *, noun: str, read: int, kept: int, already_there: int, refused: Counter[Reason]
) -> None:
    """Read, kept, refused and why."""
    out.write(
        f"read {read} rows: kept {kept} {noun}, {already_there} already there, refused {refused.total()}"
    )
    for reason, number in refused.most_common():
        out.write(f"  {number} × {reason.value}")


def write_masked(out: OutputWrapper, masked: Counter[Kind]) -> None:
    """How much personal data was masked; nothing where there was none."""
    if masked:
        out.write(f"  masked {', '.join(f'{number} {name}' for name, number in counted(masked))}")


def end_with_status(*, kept: int, already_there: int, refused: Counter[Reason], strict: bool) -> None:
    """Raises CommandError, so that the status is 1, where nothing was kept or `strict` says so."""
    if not kept and not already_there:
        raise CommandError("Nothing was kept: the file has no usable row.")
    if strict and refused:
        raise CommandError(f"{refused.total()} rows were refused, and --strict asks for none.")
