"""An import from the page, in a worker: draws the sample, with signs of life, and says what came of it."""

import time
from collections.abc import Iterable, Iterator

from django.conf import settings
from django.utils import timezone

from accounts.errors import AccordError
from pretrain.curation.documents import Document
from reviewing.import_jobs import import_claim
from reviewing.importing import review_import
from reviewing.models import ReviewImport

SIGN_SECONDS = 1.0


def import_run(job_id: int) -> None:
    """Draw the job's sample, unless somebody else does."""
    job = import_claim(job_id)
    if job is None:
        return
    signs = Signs(job)
    error = ""
    try:
        review_import(
            job.project,
            settings.ACCORD_RUNS / job.run,
            name=job.name,
            size=job.size,
            seed=job.seed,
            people_each=job.people_each,
            actor=job.created_by,
            watched=signs.watched,
        )
    except AccordError as refusal:
        error = str(refusal)
    except OSError as failure:
        error = f"{failure.filename} cannot be read: {failure.strerror}. Start the import again."
    state = ReviewImport.State.FAILED if error else ReviewImport.State.DONE
    ReviewImport.objects.filter(pk=job.pk).update(
        state=state, error=error, num_read=signs.num_read, seen_at=timezone.now()
    )


class Signs:
    """Counts documents that pass, and gives a sign of life every second."""

    def __init__(self, job: ReviewImport) -> None:
        self.num_read = 0
        self._job = job
        self._said = time.monotonic()

    def watched(self, documents: Iterable[Document]) -> Iterator[Document]:
        """The documents."""
        for document in documents:
            self.num_read += 1
            if time.monotonic() - self._said > SIGN_SECONDS:
                self._said = time.monotonic()
                ReviewImport.objects.filter(pk=self._job.pk).update(
                    num_read=self.num_read, seen_at=timezone.now()
                )
            yield document
