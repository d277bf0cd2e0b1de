"""Two models' answers to the same held-out prompts: who wins where, by how much, and where texts differ.

Pure. Comes in: each model's SampledAnswers with the reward that one reward model gave them, and what people
who compared blind said. Goes out: figures and diagrams of the page that compares, all as the first model's.
"""

import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from alignment.length_control import length_controlled_win_rate, sigmoid
from alignment.records import PromptRecord, SampledAnswer
from alignment.win_rate import outcome, win_rate
from pretrain.plots import Line, Plot, Point, fitted_axis, plot

Figures = dict[str, Any]  # Any: figures, written as JSON
Answers = Mapping[str, Sequence[SampledAnswer]]
"""By prompt id."""
Outcomes = Mapping[str, Sequence[float]]

GRADES = (
    ("marginally", 0.0, 0.6),
    ("slightly", 0.6, 0.75),
    ("clearly", 0.75, 0.9),
    ("significantly", 0.9, 1.01),
)
"""By how sure the reward model is of its choice: the probability of Bradley and Terry. Ours."""
MAX_BINS = 20
MAX_MARKED = 6_000
"""Longer texts are shown without marks: finding them takes time with the square of the length."""
PIECE = re.compile(
    r"\s+|[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|[^\W\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+|[^\w\s]"
)
"""A word, a space, a sign; each Chinese and Japanese character is one of its own."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """A piece of an answer."""

    text: str
    differs: bool


@dataclass(frozen=True, kw_only=True)
class AnswerRow:
    """One prompt with both models' first answers."""

    prompt: PromptRecord
    first: SampledAnswer
    second: SampledAnswer
    margin: float
    """The first's reward less the second's."""


def compared(first: Answers, second: Answers, domains: Mapping[str, str]) -> Figures:
    """{"overall", "length_controlled", "by_domain", "by_grade", "mean_reward", "num_prompts", "identical"}.

    `overall` and each of `by_domain`, (domain, …), are figures of `win_rate`; `by_grade` is (grade, how many
    comparisons the first won by that much, how many the second). Only prompts that both answered count.
    Raises ValueError where there is none.
    """
    shared = [prompt for prompt in first if prompt in second]
    pairs = {
        prompt: [(mine, other) for mine in first[prompt] for other in second[prompt]] for prompt in shared
    }
    outcomes = {
        prompt: [outcome(mine.reward, other.reward) for mine, other in rows] for prompt, rows in pairs.items()
    }
    lengths = {
        prompt: [
            (outcome(mine.reward, other.reward), float(len(mine.content) - len(other.content)))
            for mine, other in rows
        ]
        for prompt, rows in pairs.items()
    }
    return {
        "overall": win_rate(outcomes),
        "length_controlled": length_controlled_win_rate(lengths),
        "by_domain": by_domain(outcomes, domains),
        "by_grade": by_grade([mine.reward - other.reward for rows in pairs.values() for mine, other in rows]),
        "mean_reward": [
            fmean(each.reward for prompt in shared for each in answers[prompt]) for answers in (first, second)
        ],
        "num_prompts": len(shared),
        "identical": sum(mine.content == other.content for rows in pairs.values() for mine, other in rows),
    }


def by_domain(outcomes: Outcomes, domains: Mapping[str, str]) -> list[tuple[str, Figures]]:
    """Win rates of each domain, the one with most prompts first."""
    groups: dict[str, dict[str, Sequence[float]]] = {}
    for prompt, rows in outcomes.items():
        groups.setdefault(domains.get(prompt, ""), {})[prompt] = rows
    ordered = sorted(groups.items(), key=lambda group: (-len(group[1]), group[0]))
    return [(domain, win_rate(rows)) for domain, rows in ordered]


def by_grade(margins: Sequence[float]) -> list[tuple[str, int, int]]:
    """How often each won by how much, the largest difference first; ties are nobody's."""
    rows = []
    for name, low, high in reversed(GRADES):
        within = [margin for margin in margins if margin and low <= sigmoid(abs(margin)) < high]
        rows.append((name, sum(margin > 0 for margin in within), sum(margin < 0 for margin in within)))
    return rows


def rewards_plot(
    title: str, names: tuple[str, str], rewards: tuple[Sequence[float], Sequence[float]]
) -> Plot:
    """How the rewards of both models' answers are spread: the share of answers in each of equal bins."""
    low, high = min(map(min, rewards)), max(map(max, rewards))
    num_bins = min(MAX_BINS, max(4, math.isqrt(min(map(len, rewards)))))
    width = (high - low) / num_bins or 1.0
    lines = []
    for series, (name, values) in enumerate(zip(names, rewards, strict=True), 1):
        counts = [0] * num_bins
        for value in values:
            counts[min(num_bins - 1, math.floor((value - low) / width))] += 1
        points = [
            Point(x=low + (place + 0.5) * width, y=count / len(values), weight=0.0)
            for place, count in enumerate(counts)
        ]
        lines.append(Line(name=name, series=series, points=points))
    most = max(point.y for line in lines for point in line.points)
    return plot(
        title, lines, fitted_axis("reward", [low, high]), fitted_axis("share", [0.0, most], percent=True)
    )


def answer_rows(
    prompts: Sequence[PromptRecord], first: Answers, second: Answers, *, order: str
) -> list[AnswerRow]:
    """Prompts with both models' first answers: as they were asked, or by who won by most."""
    rows = [
        AnswerRow(
            prompt=prompt,
            first=first[prompt.id][0],
            second=second[prompt.id][0],
            margin=first[prompt.id][0].reward - second[prompt.id][0].reward,
        )
        for prompt in prompts
        if prompt.id in first and prompt.id in second
    ]
    if order == "first":
        return sorted(rows, key=lambda row: -row.margin)
    if order == "second":
        return sorted(rows, key=lambda row: row.margin)
    return rows


def marked(first: str, second: str) -> tuple[list[Segment], list[Segment]]:
    """Both texts in pieces, those marked that the other has not; by words and the spaces between them."""
    if max(len(first), len(second)) > MAX_MARKED:
        return [Segment(text=first, differs=False)], [Segment(text=second, differs=False)]
    mine, other = (re.findall(PIECE, text) for text in (first, second))
    sides: tuple[list[Segment], list[Segment]] = ([], [])
    # Every space is like every other: as places to begin a match they take ten times as long as all words.
    matcher = difflib.SequenceMatcher(str.isspace, mine, other, autojunk=False)
    for tag, start, end, from_, to in matcher.get_opcodes():
        for side, text in zip(sides, ("".join(mine[start:end]), "".join(other[from_:to])), strict=True):
            if text:
                side.append(Segment(text=text, differs=tag != "equal"))
    return sides


def differing(first: Mapping[str, str], second: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """(name, value, other value) of what is not the same, in order; empty where it is absent."""
    names = list(dict.fromkeys([*first, *second]))
    rows = [(name, first.get(name, ""), second.get(name, "")) for name in names]
    return [row for row in rows if row[1] != row[2]]
