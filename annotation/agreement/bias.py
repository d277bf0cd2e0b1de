"""What sways a person apart from the answers' worth: the side, the length, haste. Counts with intervals.

Shapes: R judgements, A annotators.
"""

from dataclasses import dataclass
from math import sqrt

import numpy as np

from annotation.agreement.ratings import Ints

READING_SPEED = 600 / 60
"""Words a second. Skilled readers take in 200 to 400 words a minute; whoever goes through both answers at
more than 600 skims (Rayner et al., So Much to Read, So Little Time, 2016)."""

Z_95 = 1.959963984540054


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share of `num` cases, with its Wilson interval."""

    value: float
    low: float
    high: float
    num: int


def wilson(successes: float, num: float, z: float = Z_95) -> Share | None:
    """The share with Wilson's score interval (Wilson 1927), which holds for few and for extreme cases.

    None for no case.
    """
    if not num:
        return None
    share = successes / num
    middle = (share + z * z / (2 * num)) / (1 + z * z / num)
    half = z / (1 + z * z / num) * sqrt(share * (1 - share) / num + z * z / (4 * num * num))
    return Share(value=share, low=max(0.0, middle - half), high=min(1.0, middle + half), num=round(num))


def shares_by_annotator(
    annotator_R: Ints, happened_R: Ints, counted_R: Ints, num_annotators: int
) -> list[Share | None]:
    """For each annotator, the share of what happened among what counts (both 0 or 1 a judgement)."""
    num_A = np.bincount(annotator_R, weights=counted_R, minlength=num_annotators)
    happened_A = np.bincount(annotator_R, weights=happened_R * counted_R, minlength=num_annotators)
    return [wilson(round(happened), round(num)) for happened, num in zip(happened_A, num_A, strict=True)]
