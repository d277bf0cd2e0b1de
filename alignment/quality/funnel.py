"""The funnel of quality control: how many examples each step kept, and every dropped one with its reason.

Pure. A step is a function from examples to those it keeps and those it drops.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from alignment.records import SftExample
from annotation.records import Record

MAX_SAMPLES = 5
"""Dropped examples of a step to show."""

MAX_CHARACTERS = 600
"""Of a shown prompt or response."""


class Dropped(Record):
    """An example that was left out."""

    step: str = ""
    reason: str
    """A kind of reason, which several examples share."""
    detail: str = ""
    """What is special to this example, such as what it is like."""
    example: SftExample


class FunnelStep(Record):
    """What a step did."""

    name: str
    num_in: int
    num_kept: int
    dropped: dict[str, int]
    """How many, by reason, the most frequent first."""
    samples: tuple[Dropped, ...]


def dropped(example: SftExample, reason: str, detail: str = "") -> Dropped:
    """The example as one that a step leaves out."""
    return Dropped(reason=reason, detail=detail, example=example)


class Funnel:
    """Takes down what each step did, in order."""

    def __init__(self) -> None:
        self.steps: list[FunnelStep] = []
        self.dropped: list[Dropped] = []

    def add(self, name: str, num_in: int, left_out: Sequence[Dropped]) -> None:
        """Take down a step that came with `num_in` examples and left these out."""
        named = [each.model_copy(update={"step": name}) for each in left_out]
        self.dropped += named
        reasons = Counter(each.reason for each in named)
        self.steps.append(
            FunnelStep(
                name=name,
                num_in=num_in,
                num_kept=num_in - len(named),
                dropped=dict(reasons.most_common()),
                samples=samples(named),
            )
        )

    def report(self) -> list[dict[str, Any]]:  # Any: JSON
        """The steps as JSON, each with a few of the examples that it dropped."""
        return [
            {
                **step.model_dump(exclude={"samples"}),
                "samples": [
                    {
                        "reason": each.reason,
                        "detail": each.detail,
                        "prompt": shortened(each.example.context[-1].content),
                        "response": shortened(each.example.response),
                    }
                    for each in step.samples
                ],
            }
            for step in self.steps
        ]


def samples(left_out: Sequence[Dropped]) -> tuple[Dropped, ...]:
    """A few of a step's dropped examples: reasons take turns, each beginning with its first example."""
    turns: Counter[str] = Counter()
    keyed = []
    for place, each in enumerate(left_out):
        keyed.append((turns[each.reason], place))
        turns[each.reason] += 1
    return tuple(left_out[place] for _, place in sorted(keyed)[:MAX_SAMPLES])


def shortened(text: str) -> str:
    """The beginning of a long text."""
    return text if len(text) <= MAX_CHARACTERS else text[: MAX_CHARACTERS - 1] + "…"
