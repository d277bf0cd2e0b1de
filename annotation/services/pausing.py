"""Pausing a person in a project, and taking what they judged out of the data, or back into it.

An excluded judgement stays where it is and counts nowhere; its comparison gets the place back. Restored, it
counts again, and if its place has gone to somebody else in between the comparison needs one more: no
comparison ever has more judgements than it needs, and nobody loses the one in their hands.

What the person said of others' edits, which they judged again, goes along: it decides no more whether an edit
was a better answer. What they said of checks of a known answer tells of themselves alone, and stays.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from accounts.services import audit_record
from annotation.models import Check, Comparison, Judgement, Membership, Project
from annotation.services.edit_checks import edit_checks_recount

Standing = Judgement.Standing

PLACES = """
UPDATE annotation_comparison c
SET num_judgements = counted.num,
    needed = greatest(c.needed, counted.num + %(restoring)s * counted.held),
    state = CASE
        WHEN c.state = 'full' AND NOT counted.decided AND counted.num < c.needed THEN 'open'
        WHEN c.state = 'open' AND counted.num >= greatest(c.needed, counted.num + counted.held) THEN 'full'
        ELSE c.state END
FROM (
    SELECT locked.id,
        (SELECT count(*) FROM annotation_judgement j
         WHERE j.comparison_id = locked.id AND j.standing IN ('counted', 'superseded')) AS num,
        (SELECT count(*) FROM annotation_assignment a
         WHERE a.comparison_id = locked.id AND a.state IN ('active', 'reserved')
             AND a.expires_at > %(now)s) AS held,
        EXISTS (SELECT FROM annotation_judgement j
                WHERE j.comparison_id = locked.id AND j.standing = 'decision') AS decided
    FROM annotation_comparison locked WHERE locked.id = ANY(%(comparisons)s)
) counted
WHERE c.id = counted.id
"""

RESTORE = """
UPDATE annotation_judgement j
SET standing = CASE WHEN EXISTS (
    SELECT FROM annotation_judgement decision
    WHERE decision.comparison_id = j.comparison_id AND decision.standing = 'decision'
) THEN 'superseded' ELSE 'counted' END
WHERE j.id = ANY(%(judgements)s)
"""


@dataclass(frozen=True, kw_only=True)
class Moved:
    """What an exclusion or a restoration did."""

    judgement_ids: Sequence[int]
    num_comparisons: int


def membership_pause(membership: Membership, *, reason: str, actor: User) -> None:
    """Nothing more is handed to the person in this project; drafts and judgements stay."""
    with transaction.atomic():
        locked = Membership.objects.select_for_update().select_related("user").get(pk=membership.pk)
        if locked.paused_at is not None:
            return
        locked.paused_at, locked.paused_by, locked.pause_reason = timezone.now(), actor, reason
        locked.save(update_fields=["paused_at", "paused_by", "pause_reason"])
        audit_record(actor, "membership.pause", locked, {"user": locked.user.username, "reason": reason})


def membership_resume(membership: Membership, *, actor: User) -> None:
    """The person goes on; checks judged before count no more towards another pause."""
    with transaction.atomic():
        locked = Membership.objects.select_for_update().select_related("user").get(pk=membership.pk)
        if locked.paused_at is None:
            return
        if locked.qualified_at is not None:
            locked.checked_from = timezone.now()
        locked.paused_at, locked.paused_by, locked.pause_reason = None, None, ""
        locked.save(update_fields=["checked_from", "paused_at", "paused_by", "pause_reason"])
        audit_record(actor, "membership.resume", locked, {"user": locked.user.username})


def judgements_exclude(
    project: Project, annotator: User, *, since: datetime | None = None, actor: User
) -> Moved:
    """None of the person's judgements in the project (since then) counts from now on, nor of others' edits.

    Reviewers' decisions are no part of it: each can be undone by itself.
    """
    with transaction.atomic():
        moved = _locked(project, annotator, Judgement.IN_AGREEMENT, since)
        Judgement.objects.filter(pk__in=moved.judgement_ids).update(standing=Standing.EXCLUDED)
        _places(moved.judgement_ids, restoring=False)
        _record(actor, "judgements.exclude", project, annotator, since, moved)
    return moved


def judgements_restore(
    project: Project, annotator: User, *, since: datetime | None = None, actor: User
) -> Moved:
    """The person's excluded judgements in the project (since then) count again."""
    with transaction.atomic():
        moved = _locked(project, annotator, (Standing.EXCLUDED,), since)
        with connection.cursor() as cursor:
            cursor.execute(RESTORE, {"judgements": list(moved.judgement_ids)})
        _places(moved.judgement_ids, restoring=True)
        _record(actor, "judgements.restore", project, annotator, since, moved)
    return moved


def judgement_ids_of(
    project: Project, annotator: User, standings: Sequence[str], since: datetime | None = None
) -> list[int]:
    """The person's judgements in the project that stand so, those of edits too; none of other checks."""
    found = Judgement.objects.filter(
        Q(comparison__of_check=None) | Q(comparison__of_check__kind=Check.Kind.EDIT),
        comparison__project=project,
        annotator=annotator,
        standing__in=standings,
    )
    if since is not None:
        found = found.filter(created_at__gte=since)
    return list(found.order_by("pk").values_list("pk", flat=True))


def with_decisions(judgement_ids: Sequence[int]) -> list[int]:
    """These judgements, and the decisions to leave out an edit that some of them spoke of.

    Such a decision rests on what was said of the edit, so what learned from it learned from that.
    """
    checks = Check.objects.filter(kind=Check.Kind.EDIT, comparisons__judgements__in=judgement_ids)
    decisions = Judgement.objects.filter(
        standing__in=(Standing.DECISION, Standing.UNDONE),
        edit=None,
        comparison__judgements__in=checks.values("judgement"),
    )
    return sorted({*judgement_ids, *decisions.values_list("pk", flat=True)})


def _locked(project: Project, annotator: User, standings: Sequence[str], since: datetime | None) -> Moved:
    """Lock the comparisons in the order of their ids, so that two at once never wait for each other."""
    ids = judgement_ids_of(project, annotator, standings, since)
    comparisons = Comparison.objects.filter(judgements__in=ids).order_by("pk").select_for_update(of=("self",))
    num = len(comparisons.values_list("pk", flat=True))
    # Somebody else may have done the same until the locks were ours.
    still = judgement_ids_of(project, annotator, standings, since)
    return Moved(judgement_ids=sorted(set(ids) & set(still)), num_comparisons=num)


def _places(judgement_ids: Sequence[int], *, restoring: bool) -> None:
    """Count the comparisons' judgements again, and open or fill them; and the checks of edits likewise."""
    judged = Comparison.objects.filter(judgements__in=judgement_ids).values_list("pk", "of_check")
    comparisons = [pk for pk, check in judged if check is None]
    edit_checks_recount({check for _, check in judged if check is not None})
    with connection.cursor() as cursor:
        cursor.execute(
            PLACES,
            {"comparisons": comparisons, "restoring": int(restoring), "now": timezone.now()},
        )


def _record(
    actor: User, action: str, project: Project, annotator: User, since: datetime | None, moved: Moved
) -> None:
    data = {
        "user": annotator.username,
        "since": None if since is None else since.isoformat(),
        "judgements": list(moved.judgement_ids),
    }
    audit_record(actor, action, project, data)
