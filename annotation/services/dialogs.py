"""Dialogs that go on while the caller waits: the annotator's next message, and two models' answers to it."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.errors import Conflict, Unavailable
from accounts.models import User
from annotation.asking import ClientFor, impatient_client
from annotation.models import Assignment, PairRequest
from annotation.services.leasing import held_put_aside
from annotation.services.turns import pair_write, turn_ask
from annotation.services.waiting import pair_hand_out

State = PairRequest.State
GOES_ON = (Assignment.State.ACTIVE, Assignment.State.EXPIRED)


def dialog_turn(
    *, dialog_id: int, annotator: User, content: str, client_for: ClientFor = impatient_client
) -> tuple[Assignment, bool]:
    """Go on with a dialog after judging: the answer preferred (or its edit), then `content`.

    Two deployed models answer it at once, and the new comparison is handed to this person; what they
    held otherwise is put aside. The same message again finds the comparison it made: False. Raises
    Forbidden where they have not judged the dialog's last answers, Conflict where somebody went on with
    it or it goes on in the background, Unavailable where the models gave no two different answers.
    """
    request, created = turn_ask(dialog_id=dialog_id, annotator=annotator, content=content, held=True)
    if created:
        pair_write(request, client_for=client_for, last=True)
    elif request.state == State.SHOWN:
        return _shown(request), False
    return _hand_out(request.pk, annotator), created


def _hand_out(request_id: int, annotator: User) -> Assignment:
    with transaction.atomic():
        rows = PairRequest.objects.select_for_update(of=("self",)).select_related("project", "left", "right")
        request = rows.get(pk=request_id)
        if request.state == State.SHOWN:
            return _shown(request)
        if request.state == State.FAILED:
            kind = Conflict if request.failure == PairRequest.Failure.NO_MODELS else Unavailable
            raise kind(request.error)
        if request.state != State.READY:
            raise Conflict(_("Two answers to this message are being written already: they come next."))
        held_put_aside(request.project, annotator)
        now = timezone.now()
        request.state, request.shown_at = State.SHOWN, now
        request.waited_seconds = (now - request.asked_at).total_seconds()
        request.save(update_fields=["state", "shown_at", "waited_seconds"])
        return pair_hand_out(request, request.project, annotator)


def _shown(request: PairRequest) -> Assignment:
    assignment = (
        Assignment.objects.select_related("comparison__left", "comparison__right")
        .filter(comparison=request.comparison_id, annotator=request.annotator_id, state__in=GOES_ON)
        .first()
    )
    if assignment is None:
        raise Conflict(_("You are done with the answers to this message: go on with the next comparison."))
    return assignment
