"""Dialogs go on: the annotator's next message, and two models' answers to it."""

import secrets

from django.db import IntegrityError, transaction

from accounts.errors import Conflict, Forbidden, NotFound, Unavailable
from accounts.models import User
from accounts.services import audit_record
from annotation.asking import ClientFor, Pair, chat_client
from annotation.models import Assignment, Comparison, Dialog, Judgement, Side
from annotation.pairing import Sampling, pair_generate_one, response_build
from annotation.permissions import ANNOTATE, require_role
from annotation.records import Message
from annotation.services.leasing import breaks, comparison_lease

SEED_BITS = 62
ONCE_A_TURN = "comparison_once_a_turn"


def dialog_turn(
    *, dialog_id: int, annotator: User, content: str, client_for: ClientFor = chat_client
) -> tuple[Assignment, bool]:
    """Go on with a dialog after judging: the answer preferred (or its edit), then `content`.

    Two deployed models answer it at once, and the new comparison is handed to this person; what they
    held otherwise is put aside. The same message again finds the comparison it made: False. Raises
    Forbidden where they have not judged the dialog's last answers, Conflict where somebody went on with
    it, Unavailable where the models gave no two different answers.
    """
    dialog = Dialog.objects.select_related("project").filter(pk=dialog_id).first()
    if dialog is None:
        raise NotFound(f"There is no dialog {dialog_id}.")
    require_role(annotator, dialog.project, ANNOTATE)
    last = dialog.comparisons.select_related("left", "right", "dialog__project").order_by("-turn").first()
    if last is None:
        raise NotFound(f"Dialog {dialog_id} has no comparison yet.")
    made = _already_made(last, annotator, content) if last.turn > 0 else None
    if made is not None:
        return made, False
    context = _next_context(last, annotator, content)
    project = dialog.project
    sampling = Sampling(
        temperature=project.temperature,
        top_p=project.top_p,
        max_tokens=project.max_tokens,
        seed=secrets.randbits(SEED_BITS),
    )
    pair = pair_generate_one(project, context, sampling=sampling, client_for=client_for)
    if not isinstance(pair, Pair):
        raise Unavailable(
            f"The models gave {pair}: say it in other words, or go on with the next comparison."
        )
    return _save_turn(last, context, pair, annotator), True


def _already_made(last: Comparison, annotator: User, content: str) -> Assignment | None:
    if last.context[-1]["content"] != content:
        return None
    assignment = Assignment.objects.filter(
        comparison=last,
        annotator=annotator,
        state__in=[Assignment.State.ACTIVE, Assignment.State.EXPIRED],
    ).first()
    if assignment is not None:
        assignment.comparison = last
    return assignment


def _next_context(last: Comparison, annotator: User, content: str) -> tuple[Message, ...]:
    judgement = Judgement.objects.select_related("edit").filter(comparison=last, annotator=annotator).first()
    if judgement is None:
        raise Forbidden("Judge the last two answers of this dialog first: then it can go on.")
    preferred = last.left if judgement.preferred == Side.LEFT else last.right
    edit = getattr(judgement, "edit", None)
    return (
        *(Message(**message) for message in last.context),
        Message(role="assistant", content=edit.content if edit is not None else preferred.content),
        Message(role="user", content=content),
    )


def _save_turn(last: Comparison, context: tuple[Message, ...], pair: Pair, annotator: User) -> Assignment:
    dialog = last.dialog
    project = dialog.project
    left = response_build(project, pair.draw.left, pair.left)
    right = response_build(project, pair.draw.right, pair.right)
    try:
        with transaction.atomic():
            left.save()
            right.save()
            comparison = Comparison.objects.create(
                project=project,
                dialog=dialog,
                turn=last.turn + 1,
                round=project.current_round,
                context=[message.model_dump() for message in context],
                left=left,
                right=right,
                seed=pair.draw.seed,
            )
            audit_record(annotator, "dialog.turn", comparison, {"dialog": dialog.pk, "turn": comparison.turn})
            return comparison_lease(comparison, annotator, project)
    except IntegrityError as error:
        if not breaks(error, ONCE_A_TURN):
            raise
        raise Conflict("Somebody has gone on with this dialog: go on with the next comparison.") from error
