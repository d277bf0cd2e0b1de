"""People's verdicts as lines that `pretrain.curation.train_classifier` learns from."""

import json
from collections.abc import Iterator, Mapping

import numpy as np

from reviewing.models import DocumentReview
from reviewing.selectors import documents_judged, sample
from reviewing.verdicts import Floats, Sample


def label_lines(review: DocumentReview, bounds: Mapping[str, float], without: str = "") -> Iterator[str]:
    """`{"text", "label", "weight"}`, label true for what people would keep.

    A classifier judges what the other filters keep, so a document weighs what it stands for among those that
    they keep with these bounds, and nothing where they drop it; 1 on average. `without` is the classifier's
    own verdict. Documents that people are divided on are left out, and those whose text was erased or is cut:
    a classifier reads whole ones.
    """
    judged = sample(review, documents_judged(review))
    weights = dict(zip(judged.pk_D.tolist(), reaching(judged, bounds, without).tolist(), strict=True))
    labels = dict(zip(judged.pk_D.tolist(), (~judged.bad_D).tolist(), strict=True))
    rows = review.documents.filter(pk__in=labels, erased_at=None).only("text", "num_characters")
    for document in rows.iterator(chunk_size=100):
        if len(document.text) == document.num_characters:
            weight = round(weights[document.pk], 4)
            line = {"text": document.text, "label": labels[document.pk], "weight": weight}
            yield json.dumps(line, ensure_ascii=False) + "\n"


def reaching(judged: Sample, bounds: Mapping[str, float], without: str = "") -> Floats:
    """How many documents each stands for among those that all filters but `without` keep; 1 on average."""
    bounds_K = np.array([bounds.get(each.key, each.bound) for each in judged.thresholds], dtype=float)
    hit_DK = judged.hits(bounds_K)
    own_K = np.array([each.filter == without for each in judged.thresholds], dtype=bool)
    weight_D = judged.weight_D * ~(judged.other_D | hit_DK[:, ~own_K].any(axis=1))
    return weight_D / (weight_D.mean() if weight_D.any() else 1.0)
