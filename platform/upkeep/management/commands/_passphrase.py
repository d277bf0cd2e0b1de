"""The passphrase of a backup's keys: from a file, so that no history and no list of processes shows it."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser


def passphrase_add(parser: CommandParser) -> None:
    """The option."""
    parser.add_argument("--passphrase-file", type=Path, help="its first line is the passphrase of the keys")


def passphrase_of(options: dict[str, Any]) -> str:  # Any: Django's parsed options
    """What the file says; nothing where none is named. Raises CommandError."""
    path: Path | None = options["passphrase_file"]
    if path is None:
        return ""
    try:
        found = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}.") from error
    if not found or not found[0].strip():
        raise CommandError(f"{path} is empty: write the passphrase into its first line.")
    return found[0].strip()
