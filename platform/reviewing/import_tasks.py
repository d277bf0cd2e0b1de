"""Celery's entry point for imports of reviews from the page. Workers alone read the programs' formats."""

from celery import shared_task

from reviewing.import_running import import_run


@shared_task
def review_import_run(job_id: int) -> None:
    """Draw the documents of one review."""
    import_run(job_id)
