"""`manage.py takedown`: lists what a document, an address or a shard has reached."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.errors import AccordError
from alignment.takedown import Takedown, by_document, by_shard, by_url


class Command(BaseCommand):
    """List what must go with a document."""

    help = "List the shards that hold a document, the models trained on them and the rounds that use those."

    def add_arguments(self, parser: CommandParser) -> None:
        """One of three ways of naming it."""
        what = parser.add_mutually_exclusive_group(required=True)
        what.add_argument("--document", help="FILE:OFFSET, its source and offset as its shard tells them")
        what.add_argument("--url", help="the address of its page")
        what.add_argument("--shard", help="a shard's name, or the beginning of its SHA-256")
        parser.add_argument("--json", type=Path, help="write the list to this file, too")

    def handle(self, *args: object, **options: Any) -> None:  # Any: Django's parsed options
        """Search and tell."""
        try:
            if options["document"] is not None:
                found = by_document(options["document"])
            elif options["url"] is not None:
                found = by_url(options["url"])
            else:
                found = by_shard(options["shard"])
        except AccordError as error:
            raise CommandError(str(error)) from error
        for line in lines(found):
            self.stdout.write(line)
        if options["json"] is not None:
            options["json"].write_text(json.dumps(as_json(found), indent=2, ensure_ascii=False))


def lines(found: Takedown) -> list[str]:
    """The list, for people."""
    told = []
    for use in found.shards:
        named = f": {', '.join(use.documents)}" if use.documents else ""
        told.append(f"shard {use.shard.name} ({use.shard.sha256[:12]}) of {use.base.name}{named}")
    for model in found.checkpoints:
        live = f", live as {', '.join(model.deployed_as)}" if model.deployed_as else ""
        told.append(f"checkpoint {model.checkpoint.name} learned from it{live}")
    told += [f"round {round_} starts from one of them" for round_ in found.rounds]
    told += [f"left out: {text}; a document like it may have stayed" for text in found.dropped]
    told += [f"not searched: {name}, which is gone or has changed" for name in found.not_searched]
    if not found.shards:
        told.append("No base model was trained on it, as far as the shards could be searched.")
    return told


def as_json(found: Takedown) -> dict[str, Any]:  # Any: JSON
    """The list, for programs."""
    return {
        "shards": [
            {
                "base": use.base.name,
                "shard": use.shard.name,
                "sha256": use.shard.sha256,
                "documents": use.documents,
            }
            for use in found.shards
        ],
        "checkpoints": [
            {
                "name": use.checkpoint.name,
                "generation": use.generation,
                "deployed_as": use.deployed_as,
            }
            for use in found.checkpoints
        ],
        "rounds": [
            {"project": round_.project.slug, "number": round_.number, "run": round_.run}
            for round_ in found.rounds
        ],
        "dropped": found.dropped,
        "not_searched": found.not_searched,
    }
