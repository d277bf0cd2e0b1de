"""Erasing a person's data or a record's texts: texts become a marker, rows and counts stay.

A record is a prompt (with all its dialogs), a dialog, or a comparison (with the later turns of its dialog,
whose context holds it). A person is their name, address and tokens, and every text they wrote; what they
chose stays under a pseudonym that leads nowhere. What they wrote into a dialog is part of all that was
answered after it, so those comparisons are erased as records.

The database alone: files of rounds are `alignment.erasing`'s, which also knows what learned from it.
"""

import secrets
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.contrib.admin.models import LogEntry
from django.db import transaction
from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from accounts.audit.redacting import entry_redact, redactions_record
from accounts.identities import identities_forget
from accounts.models import ApiToken, AuditEntry, Role, User
from accounts.second_factor import second_factors_forget
from accounts.services import audit_record
from accounts.sessions import sessions_forget
from annotation.models import (
    Assignment,
    Check,
    Comparison,
    Dialog,
    Edit,
    Flag,
    GuidelineExample,
    Judgement,
    Membership,
    PairRequest,
    Prompt,
    Refinement,
    Response,
)
from annotation.services.invitations import invitations_forget
from annotation.services.leasing import HOLDING
from webhooks.services import texts_forget

ERASED = "[erased]"
"""What stands where a text was."""
ERASED_CONTEXT = [{"role": "user", "content": ERASED}]
EXAMPLE_TEXTS = ("prompt", "left", "right", "why")
TEXT_KEYS = frozenset({"comment", "reason"})
"""Audit data under these keys may be what somebody typed."""
TELLING = 20
"""Characters from which on a text that stands within another one came from the same record."""


@dataclass(kw_only=True)
class Erasure:
    """What an erasure does, or would do."""

    rows: Counter[str] = field(default_factory=Counter)
    """How many rows of each kind lost a text."""
    judgement_ids: set[int] = field(default_factory=set)
    """The judgements whose texts, or whose comparison's, are erased."""
    prompts: set[tuple[str, str]] = field(default_factory=set)
    """Project and external id of the prompts that are erased."""
    projects: set[str] = field(default_factory=set)
    texts: set[str] = field(default_factory=set)
    """The texts themselves, to find them in files. Never stored, never logged."""
    redacted: dict[int, str] = field(default_factory=dict)
    """By audit entry that lost a text: the digest of what is left of its data."""


def person_erase(user: User, *, actor: User | None) -> Erasure:
    """Erase everything that is the person's; the account stays as one that nobody can use."""
    erasure = Erasure()
    with transaction.atomic():
        user = User.objects.select_for_update().get(pk=user.pk)
        written = Prompt.objects.filter(
            pk__in=_subjects(user, "prompt.write", "annotation.prompt"), erased_at=None
        )
        for prompt in written.select_related("project"):
            _erase_prompt(prompt, erasure)
        for comparison in _said_by(user):
            _erase_from(comparison.dialog, comparison.turn, erasure)
        _erase_judging(user, erasure)
        _erase_account(user, erasure)
        _erase_examples(erasure)
        redactions_record(actor, user, erasure.redacted)
        audit_record(actor, "erase.person", user, {"rows": dict(erasure.rows)})
    return erasure


def prompt_erase(prompt: Prompt, *, actor: User | None) -> Erasure:
    """Erase a prompt and all that was answered to it."""
    erasure = Erasure()
    with transaction.atomic():
        _erase_prompt(prompt, erasure)
        _erase_examples(erasure)
        redactions_record(actor, prompt, erasure.redacted)
        audit_record(actor, "erase.prompt", prompt, {"rows": dict(erasure.rows)})
    return erasure


def dialog_erase(dialog: Dialog, *, actor: User | None, from_turn: int = 0) -> Erasure:
    """Erase a dialog's comparisons from a turn on; its prompt stays for others."""
    erasure = Erasure()
    with transaction.atomic():
        _erase_from(dialog, from_turn, erasure)
        _erase_examples(erasure)
        data = {"rows": dict(erasure.rows), "from_turn": from_turn}
        redactions_record(actor, dialog, erasure.redacted)
        audit_record(actor, "erase.dialog", dialog, data)
    return erasure


def _erase_prompt(prompt: Prompt, erasure: Erasure) -> None:
    erasure.prompts.add((prompt.project.slug, prompt.external_id))
    erasure.projects.add(prompt.project.slug)
    _note_context(prompt.context, erasure)
    erasure.rows["prompts"] += 1
    prompt.context, prompt.external_id = ERASED_CONTEXT, f"erased-{prompt.pk}"
    prompt.erased_at = timezone.now()
    prompt.save(update_fields=["context", "external_id", "erased_at"])
    for check in prompt.checks.all():
        _blank(
            Response.objects.filter(pk__in=[check.better_id, check.worse_id]), "content", "responses", erasure
        )
    _blank(prompt.checks.all(), "explanation", "explanations of checks", erasure)
    prompt.checks.update(active=False)
    for dialog in prompt.dialogs.all():
        _erase_from(dialog, 0, erasure)


def _erase_from(dialog: Dialog, turn: int, erasure: Erasure) -> None:
    """The dialog's comparisons and requests from `turn` on."""
    erasure.projects.add(dialog.project.slug)
    comparisons = Comparison.objects.select_for_update().filter(dialog=dialog, turn__gte=turn, erased_at=None)
    for comparison in comparisons.order_by("turn"):
        _note_context(comparison.context, erasure)
        responses = [comparison.left_id, comparison.right_id]
        _blank(Response.objects.filter(pk__in=responses), "content", "responses", erasure)
        comparison.context, comparison.import_key = ERASED_CONTEXT, ""
        comparison.erased_at = timezone.now()
        # Nobody is handed it again; where it is full or of a check, its judgements go on to count.
        if comparison.state == Comparison.State.CHECK:
            comparison.assignments.filter(state__in=HOLDING).update(state=Assignment.State.EXPIRED)
        elif comparison.state != Comparison.State.FULL:
            comparison.state = Comparison.State.WITHDRAWN
        comparison.save(update_fields=["context", "import_key", "erased_at", "state"])
        erasure.rows["comparisons"] += 1
    erased = Comparison.objects.filter(dialog=dialog, turn__gte=turn)
    judgements = Judgement.objects.filter(comparison__in=erased)
    _erase_said(judgements, Assignment.objects.filter(comparison__in=erased), erasure)
    _blank(Flag.objects.filter(comparison__in=erased), "comment", "flags", erasure)
    _erase_audit_texts("annotation.comparison", erased.values_list("pk", flat=True), erasure)
    _erase_requests(PairRequest.objects.filter(dialog=dialog, turn__gte=turn), erasure)
    erasure.rows["webhook deliveries"] += texts_forget(
        judgements=judgements.values_list("pk", flat=True), comparisons=erased.values_list("pk", flat=True)
    )


def _erase_judging(user: User, erasure: Erasure) -> None:
    """What the person wrote beside their choices."""
    judgements = Judgement.objects.filter(annotator=user)
    written = judgements.filter(~Q(comment="") | Q(edit__isnull=False)).values_list(
        "comparison__project__slug", flat=True
    )
    erasure.projects |= set(written.distinct())
    erasure.judgement_ids |= set(judgements.values_list("pk", flat=True))
    _erase_said(judgements, Assignment.objects.filter(annotator=user), erasure)
    _blank(Flag.objects.filter(annotator=user), "comment", "flags", erasure)
    _erase_requests(PairRequest.objects.filter(annotator=user), erasure)
    flagged = Flag.objects.filter(annotator=user).values_list("comparison_id", flat=True)
    erasure.rows["webhook deliveries"] += texts_forget(
        judgements=judgements.values_list("pk", flat=True), comparisons=flagged
    )
    # A client may have put anything into its key.
    for pk in judgements.values_list("pk", flat=True):
        Judgement.objects.filter(pk=pk).update(idempotency_key=f"erased/{pk}")
    for entry in AuditEntry.objects.filter(actor=user):
        scrubbed = {key: ERASED if key in TEXT_KEYS and value else value for key, value in entry.data.items()}
        _save_audit(entry, scrubbed, erasure)


def _erase_said(judgements: Any, assignments: Any, erasure: Erasure) -> None:  # Any: querysets
    """Comments, edits, free reasons, drafts and refined answers."""
    erasure.judgement_ids |= set(judgements.values_list("pk", flat=True))
    _blank(judgements, "comment", "comments", erasure)
    judgements.exclude(reasons=[]).filter(~Q(reasons__0__regex=r"^[a-z_]{1,40}$")).update(reasons=[])
    edits = Edit.objects.filter(judgement__in=judgements, erased_at=None)
    erasure.texts |= set(edits.values_list("content", flat=True))
    erasure.rows["edits"] += edits.update(content=ERASED, erased_at=timezone.now())
    # Of an edit that was to be judged again there are copies, and of what it was made from.
    for check in Check.objects.filter(judgement__in=judgements, prompt__erased_at=None):
        _erase_prompt(check.prompt, erasure)
    drafts = assignments.exclude(draft={})
    for draft in drafts.values_list("draft", flat=True):
        erasure.texts |= {value for value in draft.values() if isinstance(value, str) and value}
    erasure.rows["drafts"] += drafts.update(draft={})
    refined = Refinement.objects.filter(assignment__in=assignments)
    for name in ("base", "feedback", "content"):
        _blank(refined, name, "refined answers", erasure)
    refined.filter(state__in=["waiting", "running"]).update(state="cancelled")


def _erase_requests(requests: Any, erasure: Erasure) -> None:  # Any: a queryset
    for request in requests.exclude(context=ERASED_CONTEXT):
        _note_context(request.context, erasure)
        _blank(
            Response.objects.filter(pk__in=[request.left_id, request.right_id]),
            "content",
            "responses",
            erasure,
        )
        if request.state != PairRequest.State.SHOWN:
            request.state = PairRequest.State.CANCELLED
        request.context = ERASED_CONTEXT
        request.save(update_fields=["context", "state"])
        erasure.rows["requests"] += 1


def _erase_examples(erasure: Erasure) -> None:
    """Examples under the guidelines that were taken from what is erased: people see them no more."""
    erased = {text.strip() for text in erasure.texts} - {"", ERASED}
    for example in GuidelineExample.objects.filter(project__slug__in=erasure.projects):
        found = [name for name in EXAMPLE_TEXTS if _is_of(getattr(example, name), erased)]
        if found:
            GuidelineExample.objects.filter(pk=example.pk).update(
                active=False, **dict.fromkeys(found, ERASED)
            )
            erasure.rows["guideline examples"] += 1


def _is_of(text: str, erased: set[str]) -> bool:
    """Whether the text is one of those erased, or holds one."""
    return text.strip() in erased or any(len(each) >= TELLING and each in text for each in erased)


def _erase_account(user: User, erasure: Erasure) -> None:
    """Name, address, tokens, memberships, and the name wherever the audit log has it."""
    name, hidden = user.username, f"erased-{secrets.token_hex(5)}"
    for old in (name, user.pseudonym):
        entries = AuditEntry.objects.annotate(text=Cast("data", TextField())).filter(text__contains=old)
        for entry in entries:
            _save_audit(entry, _renamed(entry.data, old, hidden), erasure)
    LogEntry.objects.filter(content_type__model="user", object_id=str(user.pk)).update(
        object_repr=hidden, change_message=""
    )
    user.username = user.pseudonym = hidden
    user.email = user.first_name = user.last_name = ""
    user.role, user.is_active, user.is_staff, user.is_superuser = Role.ANNOTATOR, False, False, False
    user.last_login = None
    user.set_unusable_password()
    user.save()
    ApiToken.objects.filter(user=user).delete()
    sessions_forget(user)
    identities_forget(user)
    second_factors_forget(user)
    invitations_forget(user, ERASED)
    Membership.objects.filter(user=user).delete()
    erasure.rows["accounts"] += 1


def _said_by(user: User) -> list[Comparison]:
    """The comparisons that answer a message of the person's, first turns first."""
    asked = Comparison.objects.filter(pair_request__annotator=user)
    turned = Comparison.objects.filter(pk__in=_subjects(user, "dialog.turn", "annotation.comparison"))
    return list(
        (asked | turned).select_related("dialog__project").filter(turn__gt=0).order_by("turn").distinct()
    )


def _subjects(user: User, action: str, kind: str) -> list[int]:
    entries = AuditEntry.objects.filter(actor=user, action=action, subject_type=kind)
    return [int(pk) for pk in entries.values_list("subject_id", flat=True)]


def _erase_audit_texts(kind: str, keys: Iterable[int], erasure: Erasure) -> None:
    entries = AuditEntry.objects.filter(subject_type=kind, subject_id__in=[str(key) for key in keys])
    for entry in entries:
        scrubbed = {key: ERASED if key in TEXT_KEYS and value else value for key, value in entry.data.items()}
        _save_audit(entry, scrubbed, erasure)


def _save_audit(entry: AuditEntry, data: dict[str, Any], erasure: Erasure) -> None:  # Any: JSON
    if data != entry.data:
        erasure.redacted[entry.pk] = entry_redact(entry.pk, data)
        erasure.rows["audit entries"] += 1


def _renamed(value: Any, old: str, new: str) -> Any:  # Any: JSON
    """The JSON value with `new` wherever a text in it is `old`."""
    if isinstance(value, dict):
        return {key: _renamed(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_renamed(item, old, new) for item in value]
    return new if value == old else value


def _blank(rows: Any, name: str, kind: str, erasure: Erasure) -> None:  # Any: a queryset
    """Put the marker into the field wherever there is a text."""
    written = rows.exclude(**{f"{name}__in": ["", ERASED]})
    erasure.texts |= set(written.values_list(name, flat=True))
    erasure.rows[kind] += written.update(**{name: ERASED})


def _note_context(context: list[dict[str, Any]], erasure: Erasure) -> None:  # Any: JSON
    erasure.texts |= {str(message["content"]) for message in context}
