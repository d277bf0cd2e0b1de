"""Writes: documents handed out, verdicts on them, reviews opened and closed, texts erased."""

from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.errors import Conflict, Forbidden, Invalid
from accounts.models import User
from accounts.services import audit_record
from annotation.models import Assignment, Membership, Project
from annotation.services.erasing import ERASED, Erasure
from annotation.services.exposure import ExposureReached, refuse_not_opted_in
from annotation.services.leasing import refuse_paused
from reviewing.models import DocumentReview, Reading, ReviewedDocument
from reviewing.reasons import VALUES
from reviewing.selectors import taken, waiting

HELD = timedelta(minutes=30)
"""How long a document stays with the person it was handed to, though they say nothing: it is long."""


def reading_next(review: DocumentReview, reviewer: User) -> Reading | None:
    """The document in this person's hands, or else the next that lacks people; None where there is none.

    Raises Forbidden where they may not work now.
    """
    if not review.is_open:
        return None
    _refuse_stopped(review.project, reviewer)
    while True:
        with transaction.atomic():
            now = timezone.now()
            own = (
                Reading.objects.select_related("document")
                .filter(document__review=review, document__erased_at=None, reviewer=reviewer, verdict="")
                .order_by("document__position")
                .first()
            )
            if own is not None:
                own.expires_at = now + HELD
                own.save(update_fields=["expires_at"])
                return own
            document = waiting(review, reviewer).select_for_update(skip_locked=True, of=("self",)).first()
            if document is None:
                return None
            # Counted again under the lock: the count above may be of before somebody else's took it.
            if taken(document.readings.all()).count() < review.people_each:
                return Reading.objects.create(document=document, reviewer=reviewer, expires_at=now + HELD)


def verdict_give(
    document: ReviewedDocument, reviewer: User, *, verdict: str, reasons: Collection[str]
) -> Reading:
    """Keep the verdict. The first one stands: the same request again changes nothing.

    Raises Invalid for other values, Forbidden where the document was not handed to this person, Conflict
    where the review is closed.
    """
    if verdict not in Reading.Verdict.values:
        raise Invalid(_("Say keep, drop or unsure."))
    if unknown := sorted(set(reasons) - VALUES):
        raise Invalid(_("There is no reason %(name)r.") % {"name": unknown[0]})
    with transaction.atomic():
        reading = (
            Reading.objects.select_for_update(of=("self",))
            .filter(document=document, reviewer=reviewer)
            .first()
        )
        if reading is None:
            raise Forbidden(_("This document was not handed to you: ask for the next one."))
        if reading.verdict:
            return reading
        if not document.review.is_open:
            raise Conflict(_("This review is closed: your verdict was not needed any more."))
        reading.verdict = verdict
        reading.reasons = sorted(reasons) if verdict == Reading.Verdict.DROP else []
        reading.judged_at = timezone.now()
        reading.save(update_fields=["verdict", "reasons", "judged_at"])
        audit_record(reviewer, "document.judge", reading, {"verdict": verdict, "reasons": reading.reasons})
    return reading


def verdict_take_back(document: ReviewedDocument, reviewer: User) -> None:
    """The document is in the person's hands again, unless they have seen what the filters said.

    Raises Conflict where there is nothing to take back.
    """
    with transaction.atomic():
        taken = Reading.objects.filter(
            document=document, reviewer=reviewer, revealed_at=None, document__review__is_open=True
        ).exclude(verdict="")
        reading = taken.select_for_update(of=("self",)).first()
        if reading is None:
            raise Conflict(_("There is no verdict that could be taken back."))
        audit_record(reviewer, "document.unjudge", reading, {"verdict": reading.verdict})
        reading.verdict, reading.reasons, reading.judged_at = "", [], None
        reading.expires_at = timezone.now() + HELD
        reading.save(update_fields=["verdict", "reasons", "judged_at", "expires_at"])


def filters_reveal(document: ReviewedDocument, reviewer: User) -> None:
    """Note that the person sees the filters' verdicts. Raises Forbidden before they have given their own."""
    judged = Reading.objects.filter(document=document, reviewer=reviewer).exclude(verdict="")
    if not judged.exists():
        raise Forbidden(_("Judge the document first: what the filters said is hidden until then."))
    with transaction.atomic():
        if judged.filter(revealed_at=None).update(revealed_at=timezone.now()):
            audit_record(reviewer, "document.reveal", document, {})


def review_set_open(review: DocumentReview, *, is_open: bool, actor: User) -> None:
    """Hand documents out from now on, or no more."""
    with transaction.atomic():
        DocumentReview.objects.filter(pk=review.pk).update(is_open=is_open)
        audit_record(actor, "document_review.open" if is_open else "document_review.close", review, {})


def labels_note(review: DocumentReview, *, actor: User | None) -> None:
    """Write down that somebody takes documents with people's verdicts out."""
    audit_record(actor, "document_review.export", review, {})


def document_erase(document: ReviewedDocument, *, actor: User | None) -> Erasure:
    """Erase a document's text and address; people's verdicts on it go on to count."""
    erasure = Erasure()
    with transaction.atomic():
        locked = ReviewedDocument.objects.select_for_update(of=("self",)).get(pk=document.pk)
        erasure.projects.add(locked.review.project.slug)
        if locked.erased_at is None:
            erasure.texts.add(locked.text)
            erasure.rows["reviewed documents"] += 1
            locked.text, locked.url, locked.erased_at = ERASED, "", timezone.now()
            locked.verdicts = {
                name: {**verdict, "reason": ERASED if verdict.get("reason") else ""}
                for name, verdict in locked.verdicts.items()
            }
            locked.save(update_fields=["text", "url", "erased_at", "verdicts"])
        audit_record(actor, "erase.document", locked, {"rows": dict(erasure.rows)})
    return erasure


def _refuse_stopped(project: Project, reviewer: User) -> None:
    """Raises Forbidden for who is paused, has not agreed to sensitive content, or has seen enough today."""
    member = Membership.objects.filter(project=project, user=reviewer).first()
    refuse_paused(member)
    refuse_not_opted_in(project, member)
    if project.sensitive and project.exposure_cap:
        midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
        handed = Reading.objects.filter(
            reviewer=reviewer, document__review__project=project, handed_at__gte=midnight
        ).count()
        handed += Assignment.objects.filter(
            annotator=reviewer, project=project, created_at__gte=midnight
        ).count()
        if handed >= project.exposure_cap:
            raise ExposureReached(
                _("You have seen %(n)d of these today. That is enough for a day: thank you, go on tomorrow.")
                % {"n": project.exposure_cap}
            )
