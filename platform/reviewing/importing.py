"""Imports a run of `sift` as a review: checks it, draws the sample, stores it in one transaction.

The programs' formats are read here, so only commands import it.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from django.db import transaction

from accounts.errors import Invalid
from accounts.models import User
from accounts.services import audit_record
from annotation.models import Project
from pretrain.curation.documents import Document
from pretrain.curation.steps import as_json
from pretrain.run import ProgramError
from reviewing.import_jobs import refuse_unfit
from reviewing.models import DocumentReview, ReviewedDocument, Stratum
from reviewing.sampling import Drawn, draw
from reviewing.sift_runs import SiftRun, open_run, thresholds_of
from reviewing.texts import storable_text
from reviewing.thresholds import Threshold

BATCH = 200


def review_import(
    project: Project,
    folder: Path,
    *,
    name: str,
    size: int,
    seed: int = 0,
    people_each: int = 1,
    filters: Sequence[str] = (),
    actor: User | None = None,
    watched: Callable[[Iterator[Document]], Iterator[Document]] = iter,
) -> DocumentReview:
    """Draw `size` documents of the run in `folder`; with `filters`, near the thresholds of these alone.

    Each pass over the documents goes through `watched`.

    Raises Conflict where the project has a review of that name, Invalid where the run or a value is not fit.
    """
    refuse_unfit(project, name=name, size=size, people_each=people_each)
    try:
        run = open_run(folder)
        thresholds = thresholds_of(run.config.recipe)
        chosen = _chosen(thresholds, filters)
        drawn = draw(lambda: watched(run.documents()), chosen, size=size, seed=seed)
    except ProgramError as error:
        raise Invalid(str(error)) from error
    with transaction.atomic():
        review = DocumentReview.objects.create(
            project=project,
            name=name,
            folder=str(folder.resolve()),
            run=told(run),
            thresholds=[threshold.model_dump(mode="json") for threshold in thresholds],
            seed=seed,
            people_each=people_each,
            num_documents=run.num_documents,
            num_kept=run.num_kept,
            created_by=actor,
        )
        _store(review, drawn)
        audit_record(actor, "document_review.import", review, {"documents": len(drawn.documents)})
    return review


def told(run: SiftRun) -> dict[str, Any]:  # Any: JSON
    """The run's configuration as JSON, its folders absolute."""
    config: dict[str, Any] = json.loads(json.dumps(run.config.model_dump(), default=as_json))
    return {**config, "documents": str(run.config.documents.resolve()), "out": str(run.out.resolve())}


def _chosen(thresholds: Sequence[Threshold], filters: Sequence[str]) -> Sequence[Threshold]:
    """Those of these filters. Raises ProgramError for one without a threshold in this run."""
    known = dict.fromkeys(threshold.filter for threshold in thresholds)
    if unknown := [name for name in filters if name not in known]:
        raise ProgramError(
            f"No filter {unknown[0]!r} with a threshold is in this run: choose among {', '.join(known)}."
        )
    return [threshold for threshold in thresholds if not filters or threshold.filter in filters]


def _store(review: DocumentReview, drawn: Drawn) -> None:
    strata = {
        name: Stratum(review=review, name=name, num_documents=number)
        for name, number in drawn.populations.items()
    }
    Stratum.objects.bulk_create(strata.values())
    ReviewedDocument.objects.bulk_create(
        (
            _row(review, strata[name], position, document)
            for position, (name, document) in enumerate(drawn.documents)
        ),
        batch_size=BATCH,
    )


def _row(review: DocumentReview, stratum: Stratum, position: int, document: Document) -> ReviewedDocument:
    return ReviewedDocument(
        review=review,
        stratum=stratum,
        position=position,
        text=storable_text(document.text),
        num_characters=len(document.text),
        source=storable_text(document.source),
        offset=document.offset,
        url=storable_text(document.url or ""),
        date=storable_text(document.date or ""),
        language=storable_text(document.language or "")[:32],
        verdicts={
            name: {**verdict.model_dump(), "reason": storable_text(verdict.reason)}
            for name, verdict in document.verdicts.items()
        },
        kept=document.is_kept,
    )
