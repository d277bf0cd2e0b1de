"""A review of documents that two people have judged for the most part, with hostile texts in it."""

from pathlib import Path

from accounts.models import User
from annotation.models import Project
from pretrain.curation.documents import Document
from reviewing.importing import review_import
from reviewing.models import DocumentReview
from reviewing.selectors import review_named
from reviewing.services import reading_next, verdict_give
from tests.reviewing.factories import corpus, people_would_drop, sift

HOSTILE = (
    "<script>alert(1)</script> <img src=x onerror=alert(1)> \x1b[31m \u202e drawkcab\n" + "x" * 400 + "\n"
    "مرحبا بكم في هذه الصفحة\n这是一个网页。\n"
)
NUM_DOCUMENTS, NUM_LEFT = 120, 6


def make_document_review(project: Project, folder: Path, people: list[User]) -> DocumentReview:
    """All but the last few documents are judged, one of them by both people."""
    documents = corpus(400)
    texts = [document.text for document in documents[:3]]
    documents[:3] = [
        Document(text=f"{HOSTILE}{text}", source="a\u202eb.warc.gz", offset=number, url="javascript:alert(1)")
        for number, text in enumerate(texts, start=1000)
    ]
    name = f"spring-{project.slug}"
    review = review_import(
        project, sift(folder / name, documents, num=1), name=name, size=NUM_DOCUMENTS, people_each=2
    )
    for place, person in enumerate(people):
        for _ in range(NUM_DOCUMENTS - NUM_LEFT - 10 * place):
            reading = reading_next(review, person)
            assert reading is not None
            is_bad = people_would_drop(reading.document.text)
            verdict_give(
                reading.document,
                person,
                verdict="drop" if is_bad else "keep",
                reasons=["spam" if "discount" in reading.document.text else "garbled"] if is_bad else [],
            )
    return review_named(project, review.pk)
