"""Snapshot: freeze the judgements that train into files named by their hash, with a holdout by prompt."""

import hashlib
from pathlib import Path

from django.db.models import Max

from accounts.errors import Invalid
from alignment.fencing import step_held
from alignment.model_data import snapshot_count
from alignment.models import Round, Snapshot, Stage
from alignment.records import PromptRecord
from alignment.selection import Selection, select
from alignment.stages.plan import recipe_of, stage_folder
from annotation.models import Judgement
from annotation.records import PreferenceRecord, Record, write_records
from annotation.selectors import preference_records
from annotation.selectors import prompts as project_prompts

TRAIN = "train.jsonl"
HOLDOUT = "holdout.jsonl"
NEWEST = "newest-{rounds}.jsonl"
TRAIN_PROMPTS = "train-prompts.jsonl"
HOLDOUT_PROMPTS = "holdout-prompts.jsonl"
LEAST_JUDGEMENTS = 10
"""Also where the data gate was overridden."""


def start(stage: Stage) -> None:
    """Select, write, hash and record. Raises Invalid where too few judgements are usable."""
    recipe = recipe_of(stage.round)
    selection = select(_records(stage.round), recipe.snapshot)
    # The data gate asked for as many as the recipe does, or an admin overrode it: judgements can still have
    # been excluded since.
    if len(selection.train) < LEAST_JUDGEMENTS:
        raise Invalid(
            f"Only {len(selection.train)} judgements can train and no round does with fewer than "
            f"{LEAST_JUDGEMENTS}: collect more, and retry."
        )
    folder = stage_folder(stage)
    newest_counts = sorted({variant.newest_rounds for variant in recipe.dpo})
    write_records(folder / TRAIN, selection.train)
    write_records(folder / HOLDOUT, selection.holdout)
    for count in newest_counts:
        write_records(folder / NEWEST.format(rounds=count), newest(selection.train, count))
    write_records(folder / TRAIN_PROMPTS, _prompts(stage, "train", selection.train))
    write_records(folder / HOLDOUT_PROMPTS, _prompts(stage, "holdout", selection.holdout))
    _record(stage, selection, folder, num_newest=len(newest(selection.train, newest_counts[0])))


def _records(round_: Round) -> list[PreferenceRecord]:
    """All judgements to date; where a number is run again, without those of rounds after it."""
    records = list(preference_records(round_.project))
    if round_.run == 1:
        return records
    before = Snapshot.objects.filter(round__project=round_.project, round__number=round_.number)
    newest_then = before.aggregate(newest=Max("judgements__comparison__round"))["newest"] or 0
    return [record for record in records if record.round <= max(round_.number, newest_then)]


def newest(records: list[PreferenceRecord], num_rounds: int) -> list[PreferenceRecord]:
    """The records of the `num_rounds` newest rounds that have any."""
    rounds = sorted({record.round for record in records}, reverse=True)[:num_rounds]
    return [record for record in records if record.round in rounds]


def snapshot_file(stage: Stage, name: str) -> Path:
    """A file of the round's snapshot."""
    return Path(stage.round.snapshot.folder) / name


def holdout_file(stage: Stage) -> Path | None:
    """The held-out judgements of the round's snapshot; None where it has none."""
    return snapshot_file(stage, HOLDOUT) if stage.round.snapshot.num_holdout else None


def _prompts(stage: Stage, split: str, records: list[PreferenceRecord]) -> list[Record]:
    """The project's prompts of the split; where it has none, the contexts that people judged."""
    own: list[Record] = [
        PromptRecord(
            id=prompt.external_id,
            domain=prompt.domain,
            language=prompt.language,
            context=tuple(prompt.context),
        )
        for prompt in project_prompts(stage.round.project, split)
    ]
    if own:
        return own
    judged = {
        record.context: PromptRecord(
            id=record.id, domain=record.domain, language=record.language, context=record.context
        )
        for record in records
    }
    return list(judged.values())


def _record(stage: Stage, selection: Selection, folder: Path, *, num_newest: int) -> None:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.jsonl")):
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    ids = [int(record.id) for record in [*selection.train, *selection.holdout]]
    with step_held(stage):
        Snapshot.objects.filter(round=stage.round).delete()
        snapshot = Snapshot.objects.create(
            round=stage.round,
            folder=str(folder),
            content_hash=digest.hexdigest(),
            num_train=len(selection.train),
            num_holdout=len(selection.holdout),
            num_newest=num_newest,
            dropped=dict(selection.dropped),
        )
        through = Snapshot.judgements.through
        through.objects.bulk_create(
            [through(snapshot_id=snapshot.pk, judgement_id=pk) for pk in ids], batch_size=5000
        )
        snapshot_count(snapshot)
    assert Judgement.objects.filter(pk__in=ids[:1]).exists()
    stage.result = {
        "content_hash": snapshot.content_hash,
        "train": snapshot.num_train,
        "holdout": snapshot.num_holdout,
        "newest": snapshot.num_newest,
        "dropped": snapshot.dropped,
    }
