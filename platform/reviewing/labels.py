"""People's verdicts as lines that `pretrain.curation.train_classifier` learns from."""

import json
from collections.abc import Iterator, Mapping

from reviewing.models import DocumentReview
from reviewing.selectors import documents_judged, sample
from reviewing.verdicts import bounds_with, reaching


def label_lines(review: DocumentReview, bounds: Mapping[str, float], without: str = "") -> Iterator[str]:
    """`{"text", "label", "weight", "document"}`, label true for what people would keep.

    A classifier judges what the other filters keep, so a document weighs what it stands for among those that
    they keep with these bounds, and nothing where they drop it; 1 on average. `without` is the classifier's
    own verdict. Documents that people are divided on are left out, and those whose text was erased or is cut:
    a classifier reads whole ones.
    """
    judged = sample(review, documents_judged(review))
    weight_D = reaching(judged, bounds_with(judged, bounds), without)
    weights = dict(zip(judged.pk_D.tolist(), weight_D.tolist(), strict=True))
    labels = dict(zip(judged.pk_D.tolist(), (~judged.bad_D).tolist(), strict=True))
    rows = review.documents.filter(pk__in=labels, erased_at=None).only("text", "num_characters")
    for document in rows.iterator(chunk_size=100):
        if len(document.text) == document.num_characters:
            weight = round(weights[document.pk], 4)
            line = {
                "text": document.text,
                "label": labels[document.pk],
                "weight": weight,
                "document": document.pk,
            }
            yield json.dumps(line, ensure_ascii=False) + "\n"
