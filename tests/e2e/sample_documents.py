"""A review of documents that two people have judged for the most part, with hostile texts in it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils import timezone

from accounts.models import User
from annotation.models import Project
from pretrain.curation.documents import Document
from reviewing.importing import review_import
from reviewing.models import DocumentReview, Reading
from reviewing.selectors import review_named
from tests.pretrain.curation.texts import write_shards
from tests.reviewing.factories import RECIPE, corpus, people_would_drop, sift_again

HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> \x1b[31m \u202e drawkcab\n" + "x" * 400 + "\n"
    "مرحبا بكم في هذه الصفحة\n这是一个网页。\n"
)
NUM_DOCUMENTS, NUM_LEFT = 100, 6


def make_document_review(project: Project, folder: Path, people: list[User]) -> DocumentReview:
    """All but the last few documents are judged by both people, and a few more by the first of them."""
    documents = corpus(200)
    texts = [document.text for document in documents[:3]]
    documents[:3] = [
        Document(text=f"{HOSTILE}{text}", source="a\u202eb.warc.gz", offset=number, url="javascript:alert(1)")
        for number, text in enumerate(texts, start=1000)
    ]
    name = f"spring-{project.slug}"
    write_shards(folder / name, documents, num=1)
    run = sift_again(settings.ACCORD_RUNS / "pretrain" / name / "3-sift", folder / name, RECIPE)
    review = review_import(project, run, name=name, size=NUM_DOCUMENTS, people_each=2)
    now = timezone.now()
    rows = list(review.documents.all())
    Reading.objects.bulk_create(
        Reading(
            document=document,
            reviewer=person,
            expires_at=now,
            judged_at=now - timedelta(seconds=len(rows) - document.position),
            **_said(document.text),
        )
        for place, person in enumerate(people)
        for document in rows[: len(rows) - NUM_LEFT - 10 * place]
    )
    return review_named(project, review.pk)


def _said(text: str) -> dict[str, Any]:
    """What a person says of it, as fields of a Reading."""
    if not people_would_drop(text):
        return {"verdict": "keep", "reasons": []}
    return {"verdict": "drop", "reasons": ["spam" if "discount" in text else "garbled"]}
