"""Live work of the sample site: pairs that were written, one that is being written, one that failed."""

from datetime import timedelta

from django.utils import timezone

from accounts.models import User
from annotation.models import Comparison, Dialog, PairRequest, Project

GOES_ON = (
    "And if I also want to count how often each of them came, without going over the list a second time?"
)


def make_live_work(project: Project, annotator: User) -> None:
    """A live project with weights to come, and the waits of the latest two weeks."""
    Project.objects.filter(pk=project.pk).update(live=True)
    project.refresh_from_db(fields=["live"])
    now = timezone.now()
    shown = list(Comparison.objects.filter(project=project).select_related("dialog").order_by("pk")[:14])
    for number, comparison in enumerate(shown):
        waited = 0.0 if number % 3 else 4.0 + number
        _request(
            project,
            annotator,
            comparison.dialog,
            turn=1,
            state="shown",
            left=comparison.left,
            right=comparison.right,
            shown_at=now - timedelta(days=number // 2),
            seconds=3.0 + number * 5 % 7,
            waited_seconds=waited,
        )
    for comparison, state, failure in zip(shown, ("running", "failed"), ("", "away"), strict=False):
        # Not due for a long time: no worker takes it.
        _request(
            project,
            annotator,
            comparison.dialog,
            turn=2,
            state=state,
            failure=failure,
            due_at=now + timedelta(days=1),
            context=[{"role": "user", "content": GOES_ON}],
        )


def _request(project: Project, annotator: User, dialog: Dialog, **fields: object) -> None:
    values = {"context": [{"role": "user", "content": "And then?"}], **fields}
    PairRequest.objects.create(
        project=project, annotator=annotator, dialog=dialog, round=project.current_round, **values
    )
