"""Erasing with all its traces: rows, what learned from them, and the files of rounds that hold the texts.

Files are looked for before anything is erased, for afterwards nobody knows what to look for; with `purge`
they are deleted before the rows are. So a crash between leaves rows whose texts are still there, and the
same erasure repeated ends it. Weights cannot be purged: the checkpoints that learned are named.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from accounts.errors import Invalid, NotFound
from accounts.models import User
from accounts.services import audit_record
from alignment.lineage import Learned, learned_from
from alignment.models import GatePair, Program, Snapshot, Stage
from annotation.models import Comparison, Dialog, Prompt
from annotation.services.erasing import (
    ERASED,
    ERASED_CONTEXT,
    Erasure,
    dialog_erase,
    person_erase,
    prompt_erase,
)
from reviewing.models import ReviewedDocument
from reviewing.services import document_erase

MIN_NEEDLE = 12
"""Shorter texts are in many files by chance; the ids of prompts and judgements find those files."""
RECORDS = ("prompt", "dialog", "comparison", "document")
MARKER = ".purged"
"""What a purged file leaves beside its name."""
SKIPPED = frozenset({".safetensors", ".bin", ".pt", ".distcp", MARKER})
"""Weights: no text is in them as text."""

Erase = Callable[[User | None], Erasure]


@dataclass(frozen=True, kw_only=True)
class Traces:
    """What an erasure did or would do, and what is left of the texts elsewhere."""

    rows: Counter[str]
    learned: Learned
    files: tuple[Path, ...]
    """Files of rounds that hold, or held, one of the texts."""
    purged: bool


def person_of(username: str) -> Erase:
    """What erases the person of that name. Raises NotFound."""
    user = User.objects.filter(username=username).first()
    if user is None:
        raise NotFound(f"There is nobody named {username!r}: give the username as the people pages show it.")
    return lambda actor: person_erase(user, actor=actor)


def record_of(kind: str, pk: int) -> Erase:
    """What erases the prompt, dialog or comparison. Raises NotFound, Invalid for another kind."""
    if kind == "prompt":
        prompt = _found(Prompt.objects.select_related("project").filter(pk=pk).first(), kind, pk)
        return lambda actor: prompt_erase(prompt, actor=actor)
    if kind == "dialog":
        dialog = _found(Dialog.objects.select_related("project").filter(pk=pk).first(), kind, pk)
        return lambda actor: dialog_erase(dialog, actor=actor)
    if kind == "comparison":
        rows = Comparison.objects.select_related("dialog__project").filter(pk=pk)
        comparison = _found(rows.first(), kind, pk)
        return lambda actor: dialog_erase(comparison.dialog, actor=actor, from_turn=comparison.turn)
    if kind == "document":
        document = _found(ReviewedDocument.objects.filter(pk=pk).first(), kind, pk)
        return lambda actor: document_erase(document, actor=actor)
    raise Invalid(f"{kind!r} is no kind of record: give one of {', '.join(RECORDS)}.")


def plan(erase: Erase) -> Traces:
    """What `erase` would do; nothing is changed."""
    with transaction.atomic():
        erasure = erase(None)
        scrub_rounds(erasure)
        transaction.set_rollback(True)
    return _traces(erasure, purged=False)


def erase_all(erase: Erase, *, actor: User | None, purge: bool) -> Traces:
    """Erase rows, what rounds copied from them, and with `purge` the files that hold the texts."""
    planned = plan(erase)
    if purge:
        for path in planned.files:
            _purge(path)
    with transaction.atomic():
        erasure = erase(actor)
        scrub_rounds(erasure)
        for use in planned.learned.snapshots:
            data = {"judgements": use.num_judgements, "files": len(planned.files), "purged": purge}
            audit_record(actor, "erase.snapshot", use.snapshot, data)
    return Traces(rows=erasure.rows, learned=planned.learned, files=planned.files, purged=purge)


def scrub_rounds(erasure: Erasure) -> None:
    """Erase what gates and results of the projects' rounds copied. Call it in a transaction."""
    ids = {external for _, external in erasure.prompts} | {str(pk) for pk in erasure.judgement_ids}
    needles = _long(erasure.texts)
    for pair in GatePair.objects.filter(stage__round__project__slug__in=erasure.projects):
        context = [str(message["content"]) for message in pair.context]
        if pair.prompt_id in ids or erasure.texts.intersection(context):
            GatePair.objects.filter(pk=pair.pk).update(
                prompt_id=f"erased-{pair.pk}",
                context=ERASED_CONTEXT,
                candidate_answer=ERASED,
                other_answer=ERASED,
            )
            erasure.rows["gate pairs"] += 1
    stages = Stage.objects.filter(round__project__slug__in=erasure.projects)
    programs = Program.objects.filter(stage__round__project__slug__in=erasure.projects)
    rows: list[Stage | Program] = [*stages, *programs]
    for row in rows:
        scrubbed = _scrubbed(row.result, needles)
        if scrubbed != row.result:
            type(row)._default_manager.filter(pk=row.pk).update(result=scrubbed)
            erasure.rows["results of rounds"] += 1


def _traces(erasure: Erasure, *, purged: bool) -> Traces:
    files = tuple(sorted(_files_with(erasure)))
    return Traces(rows=erasure.rows, learned=learned_from(erasure.judgement_ids), files=files, purged=purged)


def _files_with(erasure: Erasure) -> Iterator[Path]:
    """The files of the projects' rounds, and of the snapshots, that hold one of the texts or ids."""
    needles = {
        form.encode()
        for text in _long(erasure.texts)
        for form in (text, json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1])
    }
    needles |= {json.dumps(external).encode() for _, external in erasure.prompts}
    if not needles:
        return
    folders = {settings.ACCORD_RUNS / slug for slug in erasure.projects}
    snapshots = Snapshot.objects.filter(judgements__in=erasure.judgement_ids).distinct()
    folders |= {Path(folder) for folder in snapshots.values_list("folder", flat=True)}
    seen: set[Path] = set()
    for folder in folders:
        for path in folder.rglob("*"):
            if path not in seen and path.is_file() and path.suffix not in SKIPPED:
                seen.add(path)
                if _holds(path, needles):
                    yield path


def _holds(path: Path, needles: Iterable[bytes]) -> bool:
    content = path.read_bytes()
    return any(needle in content for needle in needles)


def _purge(path: Path) -> None:
    """Delete the file; a marker says that it was there."""
    marker = path.with_name(path.name + MARKER)
    marker.write_text(json.dumps({"purged": timezone.now().isoformat(), "bytes": path.stat().st_size}))
    path.unlink()


def _long(texts: Iterable[str]) -> list[str]:
    return [text for text in texts if len(text) >= MIN_NEEDLE]


def _scrubbed(value: Any, needles: list[str]) -> Any:  # Any: JSON
    """The JSON value with the marker for each text that holds a needle, or is the beginning of one."""
    if isinstance(value, dict):
        return {key: _scrubbed(item, needles) for key, item in value.items()}
    if isinstance(value, list):
        return [_scrubbed(item, needles) for item in value]
    if not isinstance(value, str) or len(value) < MIN_NEEDLE:
        return value
    cut = value.rstrip("…")
    return ERASED if any(needle in value or needle.startswith(cut) for needle in needles) else value


def _found(row: Any, kind: str, pk: int) -> Any:  # Any: of its kind
    if row is None:
        raise NotFound(f"There is no {kind} {pk}: give its number as the pages and exports show it.")
    return row
