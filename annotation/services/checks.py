"""Making checks: one by one, out of comparisons that people agree on, or many from a file."""

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.errors import Invalid
from accounts.models import User
from accounts.services import audit_record
from annotation.importing.checks import ImportedCheck
from annotation.importing.fields import content_digest
from annotation.importing.refusal import Reason, Refusal
from annotation.models import Check, Comparison, Membership, Project, Prompt, Response, Side
from annotation.records import Message, Strength

MODEL_NAME = "check"
"""In place of a model's name: nobody asks who wrote a check's answers."""


@dataclass(kw_only=True)
class CheckCounts:
    """What became of a file's rows."""

    read: int = 0
    kept: int = 0
    already_there: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)


def check_create(
    project: Project,
    *,
    kind: Check.Kind,
    context: Sequence[Message],
    better: str,
    worse: str,
    weakest: Strength = Strength.MARGINALLY_BETTER,
    strongest: Strength = Strength.SIGNIFICANTLY_BETTER,
    explanation: str = "",
    domain: str = "general",
    language: str = "en",
    name: str | None = None,
    actor: User | None = None,
) -> Check:
    """Make a check of two texts. Raises Invalid where they are the same, or no grade could pass."""
    if better.strip() == worse.strip():
        raise Invalid(_("The two answers are the same: one of them must be better."))
    if not (better.strip() and worse.strip()):
        raise Invalid(_("An answer is empty: write both."))
    with transaction.atomic():
        responses = [
            Response.objects.create(project=project, content=content, model_name=MODEL_NAME)
            for content in (better, worse)
        ]
        return _save(
            project,
            kind,
            [message.model_dump() for message in context],
            responses,
            (weakest, strongest),
            explanation,
            Prompt(domain=domain, language=language, external_id=name or f"check-{uuid.uuid4().hex}"),
            actor,
        )


def check_from_comparison(
    comparison: Comparison,
    *,
    better: Side,
    kind: Check.Kind = Check.Kind.GOLD,
    weakest: Strength = Strength.MARGINALLY_BETTER,
    strongest: Strength = Strength.SIGNIFICANTLY_BETTER,
    explanation: str = "",
    actor: User | None = None,
) -> Check:
    """Make a check of a comparison's context and answers; the comparison stays what it is."""
    answers = [comparison.left, comparison.right]
    if better == Side.RIGHT:
        answers.reverse()
    asked = comparison.dialog.prompt
    with transaction.atomic():
        return _save(
            comparison.project,
            kind,
            comparison.context,
            answers,
            (weakest, strongest),
            explanation,
            Prompt(domain=asked.domain, language=asked.language, external_id=f"check-{uuid.uuid4().hex}"),
            actor,
        )


def check_set_active(check: Check, *, active: bool, actor: User) -> None:
    """Hand it out from now on, or no more; what was judged of it stays."""
    with transaction.atomic():
        Check.objects.filter(pk=check.pk).update(active=active)
        audit_record(actor, "check.set_active", check, {"active": active})


def checks_import(
    project: Project,
    rows: Iterable[tuple[int, ImportedCheck] | Refusal],
    *,
    on_refusal: Callable[[Refusal], None] | None = None,
    actor: User | None = None,
) -> CheckCounts:
    """Make the checks of a file; those that are there already, by their content, are passed over."""
    counts = CheckCounts()
    for row in rows:
        counts.read += 1
        if isinstance(row, Refusal):
            counts.refused[row.reason] += 1
            if on_refusal is not None:
                on_refusal(row)
            continue
        _line, check = row
        name = f"check-{content_digest(check.model_dump(mode='json'))}"
        if Prompt.objects.filter(project=project, external_id=name).exists():
            counts.already_there += 1
            continue
        check_create(
            project,
            kind=Check.Kind(check.kind),
            context=check.context,
            better=check.better,
            worse=check.worse,
            weakest=check.weakest,
            strongest=check.strongest,
            explanation=check.explanation,
            domain=check.domain,
            language=check.language,
            name=name,
            actor=actor,
        )
        counts.kept += 1
    return counts


def qualification_retry(membership: Membership, *, actor: User) -> None:
    """Another try: what the person has judged of checks so far counts no more."""
    with transaction.atomic():
        locked = Membership.objects.select_for_update().select_related("user").get(pk=membership.pk)
        locked.qualified_at = None
        locked.checked_from = timezone.now()
        locked.save(update_fields=["qualified_at", "checked_from"])
        audit_record(actor, "membership.retry", locked, {"user": locked.user.username})


def _save(
    project: Project,
    kind: Check.Kind,
    context: list[dict[str, object]],
    responses: Sequence[Response],
    grades: tuple[Strength, Strength],
    explanation: str,
    prompt: Prompt,
    actor: User | None,
) -> Check:
    weakest, strongest = grades
    order = list(Strength)
    if order.index(strongest) > order.index(weakest):
        raise Invalid(_("No grade could pass: the strongest one must not be weaker than the weakest."))
    prompt.project, prompt.context, prompt.split = project, context, Prompt.Split.CHECK
    prompt.save()
    better, worse = responses
    check = Check.objects.create(
        project=project,
        kind=kind,
        prompt=prompt,
        better=better,
        worse=worse,
        weakest=weakest,
        strongest=strongest,
        explanation=explanation,
        created_by=actor,
    )
    audit_record(actor, "check.create", check, {"kind": kind})
    return check
