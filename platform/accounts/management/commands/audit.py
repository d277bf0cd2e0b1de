"""`manage.py audit seal|verify|export`: the chain over the audit log."""

import argparse
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.audit.chain import ChainBroken, Head, head_parse
from accounts.audit.exported import links_write
from accounts.audit.sealing import audit_seal, head
from accounts.audit.verifying import audit_verify, links, one_look


class Command(BaseCommand):
    """Seal, verify, export."""

    help = "The audit log: seal new entries, verify the chain, export it to a file that verifies by itself."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which of the three."""
        deeds = parser.add_subparsers(dest="deed", required=True)
        deeds.add_parser("seal", help="link what was written into the chain; workers do so every few seconds")
        verifying = deeds.add_parser("verify", help="walk the whole chain; names the first broken entry")
        verifying.add_argument(
            "--head", type=_head, help="a head that was printed earlier and kept elsewhere: POSITION:HASH"
        )
        exporting = deeds.add_parser("export", help="write the log with its chain to a file")
        exporting.add_argument("--out", type=Path, required=True, help="a .jsonl or .parquet file")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Do it and print the head."""
        if options["deed"] == "seal":
            self.stdout.write(f"Sealed {audit_seal()} entries. Head: {head()}")
        elif options["deed"] == "verify":
            self._verify(options["head"])
        else:
            self._export(options["out"])

    def _verify(self, kept: Head | None) -> None:
        try:
            verdict = audit_verify(kept)
        except ChainBroken as broken:
            raise CommandError(str(broken)) from broken
        self.stdout.write(
            f"{verdict.head.position} entries, whole; {verdict.num_redacted} redacted. Head: {verdict.head}"
        )

    def _export(self, out: Path) -> None:
        if out.suffix not in (".jsonl", ".parquet"):
            raise CommandError(f"{out.name}: name a file that ends in .jsonl or .parquet.")
        try:
            audit_verify()
            with one_look():
                num = links_write(out, links())
        except (ChainBroken, OSError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Wrote {num} entries to {out}. Head: {head()}")


def _head(text: str) -> Head:
    try:
        return head_parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
