"""A checkpoint as a Hugging Face folder with its card and where it came from: for others to load and read."""

import json
import shutil
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import Any

from accounts.errors import Conflict, Invalid
from accounts.models import User
from accounts.services import audit_record
from alignment.card_facts import card_facts
from alignment.model_card import CardFacts, model_card
from registry.content import content_files, folder_hash
from registry.models import Checkpoint
from registry.selectors import lineage
from registry.services import link_or_copy

CARD = "README.md"
PROVENANCE = "provenance.json"
WEIGHTS = frozenset({".safetensors", ".bin"})
"""Linked where the disk allows it; the other files are small, and copied so that they can be edited."""


def model_export(checkpoint: Checkpoint, out: Path, *, actor: User | None = None) -> Path:
    """Write the folder `out`: whole or not at all. Nothing private is in it: no texts, no people's names.

    Raises Conflict where there is something at `out`, Invalid where the checkpoint's files are gone or are
    not what was registered.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise Conflict(f"There is something at {out} already: give a folder that is new or empty.")
    source = Path(checkpoint.path)
    _refuse_damaged(checkpoint, source)
    facts = card_facts(checkpoint)
    aside = out.absolute().parent / f".{out.name}.{uuid.uuid4().hex}"
    try:
        for name in content_files(source):
            target = aside / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.suffix in WEIGHTS:
                link_or_copy(source / name, target)
            else:
                shutil.copyfile(source / name, target)
        (aside / CARD).write_text(model_card(facts), encoding="utf-8")
        text = json.dumps(provenance(checkpoint, facts), indent=2, ensure_ascii=False)
        (aside / PROVENANCE).write_text(text + "\n", encoding="utf-8")
        if out.exists():
            out.rmdir()
        aside.rename(out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    audit_record(actor, "checkpoint.export", checkpoint, {"name": checkpoint.name})
    return out


def provenance(checkpoint: Checkpoint, facts: CardFacts) -> dict[str, Any]:  # Any: JSON
    """What the card says, and every line of descent, for programs."""
    told = asdict(facts)
    gate = dict(facts.gate)
    if "override" in gate:
        gate["override"] = {"reason": gate["override"]["reason"]}
    return {
        **told,
        "gate": gate,
        "lineage": [
            {"child": each.child, "parent": each.parent, "role": each.role, "depth": each.depth}
            for each in lineage(checkpoint)
        ],
    }


def _refuse_damaged(checkpoint: Checkpoint, source: Path) -> None:
    try:
        found = folder_hash(source)
    except FileNotFoundError as error:
        raise Invalid(f"The files of {checkpoint.name} are gone from {source}: bring them back.") from error
    if found != checkpoint.content_hash:
        raise Invalid(
            f"The files at {source} are not those that were registered as {checkpoint.name}: their hash is "
            f"{found[:12]}, not {checkpoint.content_hash[:12]}. Bring the right ones back from a backup."
        )
