"""What the clock does for live work: finds generation jobs that nobody is at, and sends their messages."""

from django.utils import timezone

from annotation.messages import pair_run_send, refinement_run_send, stock_fill_send
from annotation.models import PairRequest, Refinement
from annotation.services.jobs import UNFINISHED
from annotation.services.stock import projects_short

MOST_AT_ONCE = 50


def jobs_resend() -> None:
    """Send a message for each job that is due; a message too many does nothing."""
    now = timezone.now()
    for kind, send in ((PairRequest, pair_run_send), (Refinement, refinement_run_send)):
        due = kind._default_manager.filter(state__in=UNFINISHED, due_at__lte=now).order_by("due_at")
        for pk in due.values_list("pk", flat=True)[:MOST_AT_ONCE]:
            send(pk)


def stocks_fill() -> None:
    """Send a message for each live project that lacks pairs for the people at work."""
    for project_id in projects_short():
        stock_fill_send(project_id)
