"""Writing imported prompts: in bulk, and never the same one twice."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from django.db import transaction

from accounts.models import User
from accounts.services import audit_record
from annotation.importing.prompts import ReadPrompt
from annotation.importing.refusal import Reason, Refusal
from annotation.models import Project, Prompt
from annotation.privacy import Kind
from annotation.services.masking import prompt_masked
from annotation.services.planner_statistics import statistics_refresh

BATCH = 2000


@dataclass(kw_only=True)
class PromptCounts:
    """What became of a file's rows."""

    read: int = 0
    kept: int = 0
    already_there: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)
    masked: Counter[Kind] = field(default_factory=Counter)
    """Pieces of personal data, of the kept prompts and of those already there."""


def prompts_import(
    project: Project,
    rows: Iterable[ReadPrompt | Refusal],
    *,
    holdout: float = 0.0,
    on_refusal: Callable[[Refusal], None] | None = None,
    actor: User | None = None,
) -> PromptCounts:
    """Write the prompts of `rows`; the share `holdout` of those without a split is held out, by their ids."""
    counts = PromptCounts()

    def refuse(refusal: Refusal) -> None:
        counts.refused[refusal.reason] += 1
        if on_refusal is not None:
            on_refusal(refusal)

    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH)):
        counts.read += len(batch)
        good: list[ReadPrompt] = []
        for row in batch:
            if isinstance(row, Refusal):
                refuse(row)
            elif project.mask_personal_data:
                good.append(replace(row, prompt=prompt_masked(row.prompt, counts.masked)))
            else:
                good.append(row)
        kept, refusals = _write_batch(project, good, holdout)
        for refusal in refusals:
            refuse(refusal)
        counts.kept += kept
        counts.already_there += len(good) - kept - len(refusals)
    statistics_refresh([Prompt], num_rows=counts.kept)
    refused = {reason.value: number for reason, number in counts.refused.items()}
    masked = {kind.value: number for kind, number in counts.masked.items()}
    data = {"kept": counts.kept, "refused": refused, **({"masked": masked} if masked else {})}
    audit_record(actor, "prompts.import", project, data)
    return counts


def _write_batch(project: Project, rows: Sequence[ReadPrompt], holdout: float) -> tuple[int, list[Refusal]]:
    refusals: list[Refusal] = []
    new: dict[str, Prompt] = {}
    with transaction.atomic():
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        there = {
            prompt.external_id: prompt
            for prompt in Prompt.objects.filter(
                project=project, external_id__in=[row.prompt.id for row in rows]
            )
        }
        for row in rows:
            imported = row.prompt
            context = [message.model_dump() for message in imported.context]
            same_id = there.get(imported.id) or new.get(imported.id)
            if same_id is None:
                new[imported.id] = Prompt(
                    project=project,
                    external_id=imported.id,
                    domain=imported.domain,
                    language=imported.language,
                    context=context,
                    split=imported.split or _split(imported.id, holdout),
                )
            elif same_id.context != context:
                refusals.append(
                    Refusal(line=row.line, reason=Reason.OTHER_CONTENT, detail=imported.id, where=row.where)
                )
        Prompt.objects.bulk_create(new.values())
    return len(new), refusals


def _split(prompt_id: str, holdout: float) -> Prompt.Split:
    """The same id always falls on the same side."""
    share = int.from_bytes(hashlib.sha256(prompt_id.encode()).digest()[:4]) / 2**32
    return Prompt.Split.HOLDOUT if share < holdout else Prompt.Split.TRAIN
