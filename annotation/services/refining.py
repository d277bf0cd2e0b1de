"""Refining: a person says what to change, and the model that wrote the answer writes it anew.

Every step is kept, also where the final edit differs from it. Which model it is stays unsaid.
"""

import time
import uuid

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from accounts.errors import AccordError, Conflict, Forbidden, Invalid, NotFound
from accounts.models import User
from accounts.services import audit_record
from annotation.asking import ClientFor, impatient_client
from annotation.messages import refinement_run_send
from annotation.models import Assignment, Project, Refinement, Response, Side
from annotation.records import Message
from annotation.services.jobs import UNFINISHED, job_claim, job_end, job_held, job_trouble
from annotation.services.leasing import breaks, locked_assignment
from annotation.text import storable
from registry.models import Deployment

State = Refinement.State
ONE_AT_A_TIME = "refinement_one_at_a_time"
REQUEST = "Rewrite your last answer by this feedback. Reply with the whole new answer and nothing else.\n\n{}"
"""What the model reads as the person's next message."""
POLL_SECONDS = 0.2


def refinement_ask(
    *, comparison_id: int, annotator: User, lease: uuid.UUID, side: Side, text: str, feedback: str
) -> Refinement:
    """Ask for `text`, the answer on `side` or what has become of it, to be written anew after `feedback`.

    The same again while it is being written is the same refinement. Raises Forbidden where the
    comparison is not theirs, Conflict where they are done with it, another refinement of it is being
    written, or no model is there, Invalid where something is empty.
    """
    if not feedback.strip() or not text.strip():
        raise Invalid(_("Say what is to change: the feedback is empty, or the answer is."))
    try:
        with transaction.atomic():
            comparison, assignment = locked_assignment(comparison_id, annotator)
            if assignment.lease != lease:
                raise Forbidden(_("This lease is not yours for this comparison: ask for the next one."))
            if assignment.state not in (Assignment.State.ACTIVE, Assignment.State.EXPIRED):
                raise Conflict(_("You are done with this comparison: go on with the next one."))
            answer = comparison.left if side == Side.LEFT else comparison.right
            deployment = _writer(answer, comparison.project)
            refinement = Refinement.objects.create(
                assignment=assignment,
                side=side,
                base=text,
                feedback=feedback.strip(),
                deployment=deployment,
                model_name=deployment.checkpoint.name,
            )
            audit_record(annotator, "answer.refine", refinement, {"comparison": comparison_id, "side": side})
            transaction.on_commit(lambda: refinement_run_send(refinement.pk))
            return refinement
    except IntegrityError as error:
        if not breaks(error, ONE_AT_A_TIME):
            raise
        return _under_way(comparison_id, annotator, side, text, feedback)


def refinement_run(refinement_id: int, *, client_for: ClientFor = impatient_client) -> None:
    """Have the model write it, unless that is done, cancelled, or somebody is at it."""
    refinement = job_claim(Refinement, refinement_id)
    if refinement is None:
        return
    project = refinement.assignment.project
    began = time.monotonic()
    try:
        _writer_again(refinement)
        with job_held(refinement):
            ((answer,),) = client_for(refinement.deployment).complete(
                [_context(refinement)],
                n=1,
                temperature=project.temperature,
                top_p=project.top_p,
                max_tokens=project.max_tokens,
                seed=None,
            )
    except AccordError as error:
        job_trouble(refinement, error)
        return
    if not answer.content.strip() or not storable(answer.content):
        job_end(refinement, state=State.FAILED, failure=Refinement.Failure.EMPTY)
        return
    job_end(
        refinement,
        state=State.READY,
        content=answer.content,
        num_tokens=answer.num_tokens,
        seconds=time.monotonic() - began,
    )


def refinement_find(refinement_id: int, annotator: User, *, wait_seconds: float = 0.0) -> Refinement:
    """The person's own refinement, once it is over or after `wait_seconds`. Raises NotFound."""
    give_up = time.monotonic() + wait_seconds
    while True:
        found = Refinement.objects.filter(pk=refinement_id, assignment__annotator=annotator).first()
        if found is None:
            raise NotFound(_("There is no such refinement of yours."))
        if found.state not in UNFINISHED or time.monotonic() >= give_up:
            return found
        time.sleep(POLL_SECONDS)


def refinement_cancel(refinement_id: int, annotator: User) -> None:
    """The person no longer wants it: what the model still writes is dropped. Twice is once."""
    with transaction.atomic():
        found = refinement_find(refinement_id, annotator)
        own = Refinement.objects.filter(pk=found.pk, state__in=UNFINISHED)
        if own.update(state=State.CANCELLED):
            audit_record(annotator, "answer.refine.cancel", found, {})


def refined_by(assignment: Assignment, side: str, text: str) -> str | None:
    """The model that wrote exactly `text` in a refinement of this answer; None where a person changed it."""
    steps = Refinement.objects.filter(assignment=assignment, side=side, state=State.READY)
    for content, model_name in steps.order_by("-pk").values_list("content", "model_name"):
        if content.strip() == text.strip():
            return str(model_name)
    return None


def _writer(response: Response, project: Project) -> Deployment:
    """Where the response's model answers now, else another model of the project.

    So an answer that was imported or written for a check can be refined like any other: a refusal would
    tell which it is.
    """
    live = Deployment.objects.filter(state=Deployment.State.LIVE).select_related("checkpoint").order_by("pk")
    own = live.filter(checkpoint__responses=response).first()
    others = [] if own is not None else list(live.filter(projects=project))
    if own is None and not others:
        raise Conflict(_("No model is there to refine this answer right now: edit it by hand."))
    return own or others[response.pk % len(others)]


def _writer_again(refinement: Refinement) -> None:
    """Another model of the project writes it where a deploy has retired the one that was to."""
    if refinement.deployment.state in (Deployment.State.RETIRED, Deployment.State.FAILED):
        comparison = refinement.assignment.comparison
        answer = comparison.left if refinement.side == Side.LEFT else comparison.right
        refinement.deployment = _writer(answer, comparison.project)
        refinement.model_name = refinement.deployment.checkpoint.name
        refinement.save(update_fields=["deployment", "model_name"])


def _under_way(comparison_id: int, annotator: User, side: Side, text: str, feedback: str) -> Refinement:
    found = Refinement.objects.filter(
        assignment__comparison=comparison_id, assignment__annotator=annotator, state__in=UNFINISHED
    ).first()
    if found is None or (found.side, found.base, found.feedback) != (side, text, feedback.strip()):
        raise Conflict(_("This answer is being refined already: wait for it, or cancel that first."))
    return found


def _context(refinement: Refinement) -> list[Message]:
    """The conversation, the answer, and each step since the answer as it was: feedback stays in force."""
    comparison = refinement.assignment.comparison
    answer = comparison.left if refinement.side == Side.LEFT else comparison.right
    earlier = Refinement.objects.filter(
        assignment=refinement.assignment, side=refinement.side, state=State.READY, pk__lt=refinement.pk
    )
    steps = [*earlier.order_by("pk"), refinement]
    starts = [number for number, step in enumerate(steps) if step.base.strip() == answer.content.strip()]
    context = [Message(**message) for message in comparison.context]
    for step in steps[max(starts, default=0) :]:
        context.append(Message(role="assistant", content=step.base))
        context.append(Message(role="user", content=REQUEST.format(step.feedback)))
    return context
