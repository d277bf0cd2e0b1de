"""Celery's entry point for imports from the page."""

from celery import shared_task

from annotation.services import import_jobs


@shared_task
def import_run(job_id: int) -> None:
    """Read one uploaded file into its project."""
    import_jobs.import_run(job_id)
