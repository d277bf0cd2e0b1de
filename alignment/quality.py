"""Quality control of SFT data: which best-of-K answers are good enough to learn from.

Pure. Candidate sets in, SFT examples out, every dropped prompt counted with its reason.
"""

from collections import Counter
from collections.abc import Iterable

from alignment.records import CandidateSet, SftExample
from annotation.records import PreferenceRecord


def examples_from_candidates(sets: Iterable[CandidateSet]) -> tuple[list[SftExample], Counter[str]]:
    """The best candidate of each prompt as an SFT example, and why others gave none."""
    examples: list[SftExample] = []
    dropped: Counter[str] = Counter()
    seen: set[tuple[str, str]] = set()
    for candidate_set in sets:
        best = candidate_set.candidates[candidate_set.best]
        prompt = candidate_set.prompt
        key = ("\0".join(message.content for message in prompt.context), best.content)
        if not best.content.strip():
            dropped["empty"] += 1
        elif best.finish != "stop":
            dropped["cut off at the length limit"] += 1
        elif key in seen:
            dropped["duplicate"] += 1
        else:
            seen.add(key)
            examples.append(
                SftExample(
                    id=f"rejection-{prompt.id}",
                    source="rejection_sampling",
                    context=prompt.context,
                    response=best.content,
                )
            )
    return examples, dropped


def examples_from_edits(records: Iterable[PreferenceRecord]) -> list[SftExample]:
    """Every answer that a person edited, as an SFT example: people's own writing."""
    return [
        SftExample(id=f"edit-{record.id}", source="edited", context=record.context, response=best.content)
        for record in records
        if (best := record.responses[0]).origin == "edited"
    ]
