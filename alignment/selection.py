"""Which judgements train: strong grades only, no similar responses, a holdout split by prompt.

Pure: preference records in, preference records out, every dropped one counted with its reason.
Source: The Llama 3 Herd of Models, section 4.2.1.
"""

import difflib
import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from alignment.recipe import SnapshotRecipe
from annotation.records import PreferenceRecord, RankedResponse


@dataclass(kw_only=True)
class Selection:
    """What a snapshot keeps."""

    train: list[PreferenceRecord] = field(default_factory=list)
    holdout: list[PreferenceRecord] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)
    """How many records were left out, by reason."""


def select(records: Iterable[PreferenceRecord], recipe: SnapshotRecipe) -> Selection:
    """Split `records` into training and holdout, dropping weak grades and similar responses.

    The holdout keeps every strength, so that accuracy can be told by strength.
    """
    selection = Selection()
    for record in records:
        distinct = _without_similar(record, recipe.max_similarity)
        if distinct is None:
            selection.dropped["similar responses"] += 1
        elif is_holdout(record, recipe.holdout_fraction):
            selection.holdout.append(distinct)
        elif record.strength not in recipe.strengths:
            selection.dropped["weak preference"] += 1
        else:
            selection.train.append(distinct)
    return selection


def is_holdout(record: PreferenceRecord, fraction: float) -> bool:
    """Whether the record's prompt falls into the holdout: decided by the dialog's opening alone.

    All turns of a dialog, all judgements of a prompt and all rounds so agree on the side.
    """
    first_user = next(index for index, message in enumerate(record.context) if message.role == "user")
    opening = "\0".join(f"{message.role}\0{message.content}" for message in record.context[: first_user + 1])
    digest = hashlib.sha256(opening.encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 < fraction


def similarity(first: str, second: str) -> float:
    """How alike two responses are, 0 to 1: difflib's ratio over their words."""
    return _matcher(first, second).ratio()


def _without_similar(record: PreferenceRecord, max_similarity: float) -> PreferenceRecord | None:
    """The record with each response that is too like a better one left out; None if one remains."""
    kept: list[RankedResponse] = []
    for response in record.responses:
        if not any(
            response.tool_call == better.tool_call
            and _too_similar(response.content, better.content, max_similarity)
            for better in kept
        ):
            kept.append(response)
    if len(kept) < 2:
        return None
    return record.model_copy(update={"responses": tuple(kept)})


def _too_similar(first: str, second: str, limit: float) -> bool:
    matcher = _matcher(first, second)
    # The quick ratios are upper bounds, and spare most pairs the quadratic comparison.
    return matcher.real_quick_ratio() > limit and matcher.quick_ratio() > limit and matcher.ratio() > limit


def _matcher(first: str, second: str) -> difflib.SequenceMatcher[str]:
    return difflib.SequenceMatcher(None, first.split(), second.split(), autojunk=False)
