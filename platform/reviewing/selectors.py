"""Reads: reviews and how far they are, what waits for whom, and people's verdicts as a sample."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import Count, IntegerField, OuterRef, Prefetch, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from accounts.errors import NotFound
from accounts.models import User
from annotation.agreement.krippendorff import Interval, alpha_interval
from annotation.agreement.ratings import Ratings
from annotation.models import Project
from reviewing.models import DocumentReview, Reading, ReviewedDocument
from reviewing.thresholds import parsed
from reviewing.verdicts import JudgedDocument, Sample, sample_of

LEVELS = list(Reading.Verdict.values)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a review is."""

    review: DocumentReview
    num_documents: int
    num_judged: int
    """Documents that as many people judged as were asked for."""
    num_verdicts: int
    num_people: int


@dataclass(frozen=True, kw_only=True)
class OpenReview:
    """A review as somebody who judges sees it."""

    review: DocumentReview
    num_waiting: int
    num_done: int


def waiting(review: DocumentReview, reviewer: User) -> QuerySet[ReviewedDocument]:
    """The documents that lack people and that this one has not had, in their order."""
    held = (
        taken(Reading.objects.filter(document=OuterRef("pk")))
        .order_by()
        .values("document")
        .annotate(num=Count("pk"))
        .values("num")
    )
    num = Coalesce(Subquery(held, output_field=IntegerField()), 0)
    return (
        ReviewedDocument.objects.filter(review=review, erased_at=None)
        .annotate(num_taken=num)
        .filter(num_taken__lt=review.people_each)
        .exclude(readings__reviewer=reviewer)
        .order_by("position")
    )


def taken(readings: QuerySet[Reading]) -> QuerySet[Reading]:
    """Those that have a verdict or are in somebody's hands."""
    return readings.filter(~Q(verdict="") | Q(expires_at__gt=timezone.now()))


def review_named(project: Project, pk: int) -> DocumentReview:
    """The review of the project. Raises NotFound."""
    review = project.document_reviews.filter(pk=pk).first()
    if review is None:
        raise NotFound(f"There is no document review {pk} in {project}: the address may be wrong.")
    return review


def progress(review: DocumentReview) -> Progress:
    """How far it is."""
    documents = review.documents.filter(erased_at=None).annotate(
        num=Count("readings", filter=~Q(readings__verdict=""))
    )
    verdicts = Reading.objects.filter(document__review=review).exclude(verdict="")
    return Progress(
        review=review,
        num_documents=documents.count(),
        num_judged=documents.filter(num__gte=review.people_each).count(),
        num_verdicts=verdicts.count(),
        num_people=verdicts.values("reviewer").distinct().count(),
    )


def open_review(review: DocumentReview, user: User) -> OpenReview:
    """What is left of it for this person, and what they have done."""
    own = Reading.objects.filter(document__review=review, reviewer=user)
    num_waiting = waiting(review, user).count() if review.is_open else 0
    in_hand = own.filter(verdict="", document__erased_at=None).count() if review.is_open else 0
    return OpenReview(
        review=review, num_waiting=num_waiting + in_hand, num_done=own.exclude(verdict="").count()
    )


def open_reviews(user: User) -> list[OpenReview]:
    """The open reviews of the projects in which `user` is a member, that have something for them."""
    reviews = DocumentReview.objects.filter(is_open=True, project__memberships__user=user).select_related(
        "project"
    )
    found = [open_review(review, user) for review in reviews.order_by("project__name", "pk")]
    return [each for each in found if each.num_waiting]


def latest_judged(review: DocumentReview, user: User) -> Reading | None:
    """The person's latest verdict in the review."""
    return (
        Reading.objects.filter(document__review=review, reviewer=user)
        .exclude(verdict="")
        .select_related("document")
        .order_by("-judged_at")
        .first()
    )


def documents_judged(review: DocumentReview) -> list[ReviewedDocument]:
    """The documents that somebody judged, without their texts; their verdicts in `given`."""
    given = Reading.objects.exclude(verdict="").order_by("judged_at")
    return list(
        review.documents.filter(pk__in=given.filter(document__review=review).values("document"))
        .select_related("stratum")
        .prefetch_related(Prefetch("readings", queryset=given, to_attr="given"))
        .defer("text")
    )


def is_bad(readings: list[Reading]) -> bool | None:
    """Whether more people would drop it than keep it; None where there are as many."""
    said = Counter(reading.verdict for reading in readings)
    keep, drop = said[Reading.Verdict.KEEP], said[Reading.Verdict.DROP]
    return None if keep == drop else drop > keep


def sample(review: DocumentReview, documents: list[ReviewedDocument]) -> Sample:
    """The documents on which people agree, as arrays."""
    populations = dict(review.strata.values_list("name", "num_documents"))
    judged = []
    for document in documents:
        bad = is_bad(given(document))
        if bad is not None:
            judged.append(
                JudgedDocument(
                    pk=document.pk,
                    stratum=document.stratum.name,
                    is_bad=bad,
                    values=_values(document.verdicts),
                    dropped_by=tuple(
                        name for name, verdict in document.verdicts.items() if not verdict["kept"]
                    ),
                )
            )
    return sample_of(judged, populations, parsed(review.thresholds))


def given(document: ReviewedDocument) -> list[Reading]:
    """The verdicts that `documents_judged` brought along."""
    found: list[Reading] = document.given  # type: ignore[attr-defined]  # prefetched
    return found


def agreement(documents: list[ReviewedDocument]) -> Interval | None:
    """Krippendorff's α of keep, drop and unsure; None where nobody judged the same document."""
    rows = [
        (document.pk, reading.reviewer_id, LEVELS.index(reading.verdict))
        for document in documents
        for reading in given(document)
    ]
    if not rows:
        return None
    units, raters, levels = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    ratings = Ratings.of(units, raters, levels, num_levels=len(LEVELS))
    return alpha_interval(ratings, "nominal", seed=0)


def _values(verdicts: dict[str, Any]) -> dict[str, float]:  # Any: JSON
    return {
        name: float(verdict["value"]) for name, verdict in verdicts.items() if verdict["value"] is not None
    }
