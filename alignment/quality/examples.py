"""Where SFT examples come from: the best of K candidates, and people's edits.

Pure. The first step of quality control: answers without the form of one (malformed, empty, cut off, twice the
same) are dropped here, and prompts none of whose answers could be chosen.
"""

from collections.abc import Iterable

from alignment.quality.funnel import Dropped, dropped
from alignment.records import Candidate, CandidateSet, Refusal, SftExample
from annotation.records import PreferenceRecord

NO_ANSWER: dict[Refusal | None, str] = {
    "form": "no answer has the form of one",
    "language": "no answer is in the prompt's language",
}
"""Why a prompt has no best candidate, by what its first one was refused for."""


def best_candidate(candidate_set: CandidateSet) -> Candidate:
    """The best candidate; the first, to show, where every one is refused."""
    return candidate_set.candidates[candidate_set.best or 0]


def best_example(candidate_set: CandidateSet) -> SftExample:
    """A prompt's best candidate as an SFT example, after the system prompt that it was asked for with."""
    best = best_candidate(candidate_set)
    return SftExample(
        id=f"rejection-{candidate_set.prompt.id}",
        source="rejection_sampling",
        context=candidate_set.prompt.context,
        response=best.content,
        tool_call=best.finish == "tool_call",
    )


def examples_from_candidates(sets: Iterable[CandidateSet]) -> tuple[list[SftExample], list[Dropped]]:
    """The best candidate of each prompt as an SFT example, and why others gave none."""
    examples: list[SftExample] = []
    left_out: list[Dropped] = []
    seen: set[tuple[str, str]] = set()
    for candidate_set in sets:
        example = best_example(candidate_set)
        key = ("\0".join(message.content for message in example.context), example.response)
        if candidate_set.best is None:
            left_out.append(dropped(example, NO_ANSWER[best_candidate(candidate_set).refused]))
        elif not example.response.strip():
            left_out.append(dropped(example, "empty"))
        elif best_candidate(candidate_set).finish == "length":
            left_out.append(dropped(example, "cut off at the length limit"))
        elif key in seen:
            left_out.append(dropped(example, "duplicate"))
        else:
            seen.add(key)
            examples.append(example)
    return examples, left_out


def examples_from_edits(records: Iterable[PreferenceRecord]) -> list[SftExample]:
    """Every answer that a person edited, as an SFT example: people's own writing."""
    return [
        SftExample(
            id=f"edit-{record.id}",
            source="edited",
            context=record.context,
            response=best.content,
            tool_call=best.tool_call,
        )
        for record in records
        if (best := record.responses[0]).origin == "edited"
    ]
