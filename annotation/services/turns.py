"""Pairs that people wait for: asked for in a dialog, written by models, kept until they are handed out.

In: a person's next message or first prompt. Out: a PairRequest whose two answers came together.
"""

import secrets
import time
import uuid
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.errors import AccordError, Conflict, Forbidden, Invalid, NotFound
from accounts.models import User
from accounts.services import audit_record
from annotation.asking import ClientFor, Pair, Unusable, impatient_client
from annotation.messages import pair_run_send
from annotation.models import Assignment, Comparison, Dialog, Judgement, PairRequest, Project, Prompt
from annotation.pairing import MAX_REPLACED, Sampling, pair_generate_one, response_build
from annotation.permissions import ANNOTATE, require_role
from annotation.records import Message
from annotation.selectors import release_holds
from annotation.services.jobs import LEASE, UNFINISHED, job_claim, job_end, job_held, job_trouble
from annotation.services.leasing import breaks
from annotation.services.masking import message_masked
from registry.client import ModelReplaced

State = PairRequest.State
Failure = PairRequest.Failure
SEED_BITS = 62
KEYS = uuid.UUID("8a4f1d2e-6c0b-4a57-9d39-0f6f0c1f7b11")
"""The space of names made from what clients call their prompts."""
ONCE_A_TURN = "pair_request_once_a_turn"
FAILURES = {Unusable.EMPTY: Failure.EMPTY, Unusable.IDENTICAL: Failure.IDENTICAL}


def turn_ask(
    *, dialog_id: int, annotator: User, content: str, held: bool = False
) -> tuple[PairRequest, bool]:
    """Ask for the answers to the person's next message; they judged the dialog's last ones.

    The same message again finds what it asked for: False. With `held` the caller writes the answers itself
    and no worker is told; should it die, the clock finds the request. Raises NotFound, Forbidden where
    they have not judged the last answers, Conflict where the dialog goes on already.
    """
    dialog = Dialog.objects.select_related("project").filter(pk=dialog_id).first()
    missing = _("There is no such dialog for you: go on with the next comparison.")
    if dialog is None:
        raise NotFound(missing)
    require_role(annotator, dialog.project, ANNOTATE, missing=missing)
    last = dialog.comparisons.select_related("left", "right").order_by("-turn").first()
    if last is None:
        raise NotFound(_("Dialog %(number)s has no comparison yet.") % {"number": dialog_id})
    said = message_masked(dialog.project, _messages(last.context[:-1]), content)
    answered = _answered(last, annotator, said)
    if answered is not None:
        return answered, False
    context = [message.model_dump() for message in _next_context(last, annotator, content, dialog.project)]
    try:
        with transaction.atomic():
            return _request(dialog, last.turn + 1, context, annotator, held=held)
    except IntegrityError as error:
        if not breaks(error, ONCE_A_TURN):
            raise
    # Asked at the same moment, perhaps by the same person in another window: now it is there to be found.
    with transaction.atomic():
        return _request(dialog, last.turn + 1, context, annotator, held=held)


def prompt_ask(
    project: Project, annotator: User, *, content: str, domain: str, language: str, key: str
) -> PairRequest:
    """Ask for the answers to a first prompt that the person wrote; it joins the project's train prompts.

    The same `key` again is the same prompt.
    """
    _refuse_unless_live(project)
    if not content.strip():
        raise Invalid(_("The prompt is empty: write what the models are to answer."))
    external_id = f"written-{uuid.uuid5(KEYS, f'{annotator.pk}/{key}').hex}"
    with transaction.atomic():
        prompt, created = Prompt.objects.get_or_create(
            project=project,
            external_id=external_id,
            defaults={
                "domain": domain.strip() or "general",
                "language": language.strip() or "en",
                "context": [{"role": "user", "content": message_masked(project, (), content)}],
            },
        )
        if not created:
            return PairRequest.objects.select_related("project").get(
                dialog__prompt=prompt, annotator=annotator
            )
        audit_record(annotator, "prompt.write", prompt, {"project": project.slug})
        return _begin(prompt, annotator)


def prompt_take(project: Project, annotator: User, *, prompt_id: int) -> PairRequest:
    """Ask for the answers to a prompt of the project's set; once, while the person waits for them."""
    _refuse_unless_live(project)
    with transaction.atomic():
        rows = Prompt.objects.select_for_update(no_key=True).select_related("project")
        prompt = rows.filter(project=project, pk=prompt_id, split=Prompt.Split.TRAIN, erased_at=None).first()
        if prompt is None:
            raise NotFound(_("There is no such prompt in this project: draw another one."))
        waited_for = PairRequest.objects.filter(
            dialog__prompt=prompt, turn=0, annotator=annotator, state__in=[*UNFINISHED, State.READY]
        ).first()
        return waited_for or _begin(prompt, annotator)


def pair_run(request_id: int, *, client_for: ClientFor = impatient_client) -> None:
    """Have the models answer the request, unless that is done or somebody is at it."""
    request = job_claim(PairRequest, request_id)
    if request is not None:
        pair_write(request, client_for=client_for)


def pair_write(request: PairRequest, *, client_for: ClientFor = impatient_client, last: bool = False) -> None:
    """Have the models answer a request that is the caller's, and store both answers or neither.

    How it went stands in the request. A `last` attempt is not followed by another.
    """
    project = request.project
    sampling = Sampling(
        temperature=project.temperature,
        top_p=project.top_p,
        max_tokens=project.max_tokens,
        seed=secrets.randbits(SEED_BITS),
    )
    began = time.monotonic()
    try:
        with job_held(request):
            for _attempt in range(MAX_REPLACED):
                stored = _write(request, sampling, client_for, began)
                if stored:
                    return
        raise ModelReplaced(f"The models of {project.slug} were replaced {MAX_REPLACED} times.")
    except AccordError as error:
        job_trouble(request, error, last=last)


def _write(request: PairRequest, sampling: Sampling, client_for: ClientFor, began: float) -> bool:
    """Ask two models of the project's release and store their answers; False where a deploy came between."""
    context = [Message(**message) for message in request.context]
    try:
        found = pair_generate_one(request.project, context, sampling=sampling, client_for=client_for)
    except ModelReplaced:
        return False
    if isinstance(found, Pair):
        return _store(request, found, time.monotonic() - began)
    job_end(request, state=State.FAILED, failure=FAILURES[found])
    return True


def request_retry(request_id: int, annotator: User) -> PairRequest:
    """Ask the models once more for what they failed to answer."""
    with transaction.atomic():
        request = _own(request_id, annotator)
        if request.state == State.FAILED:
            try:
                with transaction.atomic():
                    _renew(request, request.context, held=False)
                    audit_record(annotator, "dialog.ask_again", request, {"dialog": request.dialog_id})
            except IntegrityError as error:
                if not breaks(error, ONCE_A_TURN):
                    raise
                raise Conflict(
                    _("Somebody has gone on with this dialog: go on with the next comparison.")
                ) from error
    return request


def request_drop(request_id: int, annotator: User) -> None:
    """The person no longer wants the pair. What was shown stays; twice is once."""
    with transaction.atomic():
        request = _own(request_id, annotator)
        if request.state not in (State.SHOWN, State.CANCELLED):
            request.state = State.CANCELLED
            request.save(update_fields=["state"])
            audit_record(annotator, "pair.drop", request, {"dialog": request.dialog_id})


def _answered(last: Comparison, annotator: User, content: str) -> PairRequest | None:
    """The request for these words that made the dialog's last comparison, while the person judges that."""
    if last.turn == 0 or last.context[-1]["content"] != content:
        return None
    return PairRequest.objects.filter(
        comparison=last,
        annotator=annotator,
        comparison__assignments__annotator=annotator,
        comparison__assignments__state__in=[Assignment.State.ACTIVE, Assignment.State.EXPIRED],
    ).first()


def _next_context(last: Comparison, annotator: User, content: str, project: Project) -> tuple[Message, ...]:
    judgement = Judgement.objects.select_related("edit").filter(comparison=last, annotator=annotator).first()
    if judgement is None:
        raise Forbidden(_("Judge the last two answers of this dialog first: then it can go on."))
    chosen = last.chosen_first(judgement.preferred)[0]
    said = (judgement.standing_edit or chosen).content
    answer = Message(role="assistant", content=said, tool_call=chosen.tool_call)
    earlier = (*_messages(last.context), answer)
    return (*earlier, Message(role="user", content=message_masked(project, earlier, content)))


def _messages(context: list[dict[str, Any]]) -> tuple[Message, ...]:  # Any: JSON
    return tuple(Message(**message) for message in context)


def _request(
    dialog: Dialog, turn: int, context: list[dict[str, object]], annotator: User, *, held: bool
) -> tuple[PairRequest, bool]:
    there = PairRequest.objects.select_for_update(of=("self",)).select_related("project")
    earlier = list(there.filter(dialog=dialog, turn=turn).exclude(state=State.CANCELLED).order_by("-pk"))
    going_on = next((request for request in earlier if request.state != State.FAILED), None)
    if going_on is not None:
        if going_on.annotator_id != annotator.pk:
            raise Conflict(_("Somebody has gone on with this dialog: go on with the next comparison."))
        if going_on.context != context:
            raise Conflict(_("You have sent a message in this dialog already: its answers come first."))
        return going_on, False
    failed = next((request for request in earlier if request.annotator_id == annotator.pk), None)
    if failed is not None:
        _renew(failed, context, held=held)
        return failed, True
    return _create(dialog, turn, context, annotator, held=held), True


def _create(
    dialog: Dialog, turn: int, context: list[dict[str, object]], annotator: User, *, held: bool
) -> PairRequest:
    request = PairRequest(
        project=dialog.project,
        annotator=annotator,
        dialog=dialog,
        turn=turn,
        context=context,
        round=dialog.project.current_round,
    )
    if held:
        request.state, request.attempts, request.due_at = State.RUNNING, 1, timezone.now() + LEASE
    request.save()
    audit_record(annotator, "dialog.ask", request, {"dialog": dialog.pk, "turn": turn})
    if not held:
        transaction.on_commit(lambda: pair_run_send(request.pk))
    return request


def _renew(request: PairRequest, context: list[dict[str, object]], *, held: bool) -> None:
    """A failed request from the beginning, with what may now be other words."""
    now = timezone.now()
    request.context, request.failure, request.asked_at = context, "", now
    request.round = request.project.current_round
    request.state, request.attempts, request.due_at = State.WAITING, 0, now
    if held:
        request.state, request.attempts, request.due_at = State.RUNNING, 1, now + LEASE
    request.save()
    if not held:
        transaction.on_commit(lambda: pair_run_send(request.pk))


def _begin(prompt: Prompt, annotator: User) -> PairRequest:
    dialog = Dialog.objects.create(project=prompt.project, prompt=prompt)
    return _create(dialog, 0, prompt.context, annotator, held=False)


def _store(request: PairRequest, pair: Pair, seconds: float) -> bool:
    """Keep both answers, unless a deploy has replaced the models that wrote them: False."""
    release = pair.draw.release
    left = response_build(request.project, pair.draw.left, pair.left, release)
    right = response_build(request.project, pair.draw.right, pair.right, release)
    with transaction.atomic():
        if not release_holds(request.project_id, release):
            return False
        # A deploy since the asking may have begun another round, whose models these are.
        request.project.refresh_from_db(fields=["current_round"])
        left.save()
        right.save()
        kept = job_end(
            request,
            state=State.READY,
            left=left,
            right=right,
            seed=pair.draw.seed,
            round=request.project.current_round,
            ready_at=timezone.now(),
            seconds=seconds,
        )
        if not kept:
            transaction.set_rollback(True)
            return True
        data = {"dialog": request.dialog_id, "turn": request.turn}
        audit_record(request.annotator, "dialog.turn", request, data)
    return True


def _own(request_id: int, annotator: User) -> PairRequest:
    """The person's request, locked."""
    rows = PairRequest.objects.select_for_update(of=("self",)).select_related("project")
    request = rows.filter(pk=request_id, annotator=annotator).first()
    missing = _("There is no such request of yours.")
    if request is None:
        raise NotFound(missing)
    require_role(annotator, request.project, ANNOTATE, missing=missing)
    return request


def _refuse_unless_live(project: Project) -> None:
    if not project.live:
        raise Forbidden(_("This project takes no first prompts: an admin can switch live dialogs on."))


def unfinished_requests(project: Project, annotator: User) -> list[PairRequest]:
    """What the person waits for in the project, and what failed them, oldest first."""
    states = (*UNFINISHED, State.READY, State.FAILED)
    rows = PairRequest.objects.filter(project=project, annotator=annotator, state__in=states)
    return list(rows.order_by("asked_at", "pk"))
