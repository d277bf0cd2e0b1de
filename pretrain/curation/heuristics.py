"""Rules of thumb: which documents read like text. Each rule bounds one measure of `repetition` or `shape`.

Comes in: a document's segments. Goes out: one verdict a rule, in the order of RULES. Every bound is a
parameter; the defaults name their source.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, Field

from pretrain.curation.code import NO_LANGUAGE
from pretrain.curation.documents import Verdict
from pretrain.curation.repetition import repetition
from pretrain.curation.shape import shape
from pretrain.curation.stop_words import STOP_WORDS
from pretrain.curation.words import Segments

GOPHER = "Gopher, table A1"
GOPHER_QUALITY = "Gopher, appendix A.1.1"
FINEWEB = "FineWeb, section 3.6"
C4 = "C4, section 2.2"


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A measure and what it may be, bounds included."""

    measure: str
    low: float | None = None
    high: float | None = None
    source: str

    def verdict(self, value: float) -> Verdict:
        """Whether the value is inside the bounds."""
        if self.low is not None and value < self.low:
            return Verdict(kept=False, reason=f"{self.measure} below {self.low:g}", value=value)
        if self.high is not None and value > self.high:
            return Verdict(kept=False, reason=f"{self.measure} above {self.high:g}", value=value)
        return Verdict(kept=True, reason="", value=value)


RULES = (
    Rule(measure="num_words", low=50, high=100_000, source=GOPHER_QUALITY),
    Rule(measure="mean_word_length", low=3, high=10, source=GOPHER_QUALITY),
    Rule(measure="hash_signs", high=0.1, source=GOPHER_QUALITY),
    Rule(measure="ellipses", high=0.1, source=GOPHER_QUALITY),
    Rule(measure="bullet_lines", high=0.9, source=GOPHER_QUALITY),
    Rule(measure="ellipsis_lines", high=0.3, source=GOPHER_QUALITY),
    Rule(measure="alphabetic_words", low=0.8, source=GOPHER_QUALITY),
    Rule(measure="stop_words", low=2, source=GOPHER_QUALITY),
    Rule(measure="terminal_lines", low=0.12, source=FINEWEB),
    Rule(measure="short_lines", high=0.67, source=FINEWEB),
    Rule(measure="lines_per_word", high=0.3, source=FINEWEB),
    Rule(measure="num_sentences", low=3, source=f"{C4}, with its 5 lines"),
    Rule(measure="curly_brackets", high=0, source=C4),
    Rule(measure="placeholder_text", high=0, source=C4),
    Rule(measure="duplicate_lines", high=0.30, source=GOPHER),
    Rule(measure="duplicate_paragraphs", high=0.30, source=GOPHER),
    Rule(measure="duplicate_line_characters", high=0.20, source=GOPHER),
    Rule(measure="duplicate_paragraph_characters", high=0.20, source=GOPHER),
    Rule(measure="top_2_gram", high=0.20, source=GOPHER),
    Rule(measure="top_3_gram", high=0.18, source=GOPHER),
    Rule(measure="top_4_gram", high=0.16, source=GOPHER),
    Rule(measure="duplicated_5_grams", high=0.15, source=GOPHER),
    Rule(measure="duplicated_6_grams", high=0.14, source=GOPHER),
    Rule(measure="duplicated_7_grams", high=0.13, source=GOPHER),
    Rule(measure="duplicated_8_grams", high=0.12, source=GOPHER),
    Rule(measure="duplicated_9_grams", high=0.11, source=GOPHER),
    Rule(measure="duplicated_10_grams", high=0.10, source=GOPHER),
)
"""All rules with their defaults."""
CODE_LEAVES_OUT = frozenset(
    {"curly_brackets", "terminal_lines", "stop_words", "num_sentences", "short_lines", "lines_per_word"}
    | {"alphabetic_words", "duplicate_lines", "duplicate_paragraphs"}
    | {f"duplicated_{n}_grams" for n in range(5, 11)}
)
"""Rules for prose that code breaks: it has few sentences, and says the same again and again."""


class Bounds(BaseModel):
    """What a measure may be, bounds included; None is no bound."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    low: float | None = None
    high: float | None = None


class HeuristicRecipe(BaseModel):
    """Which rules, with which bounds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bounds: dict[str, Bounds] = Field(default_factory=dict)
    """By measure, in the stead of a rule's own."""
    without: frozenset[str] = frozenset()
    """Measures whose rules are left out."""
    without_for_code: frozenset[str] = CODE_LEAVES_OUT
    """And those that are left out for documents of code besides."""
    stop_words: dict[str, frozenset[str]] = Field(default_factory=dict)
    """By language code, in lower case, in the stead of the product's."""

    def rules(self, *, for_code: bool = False) -> tuple[Rule, ...]:
        """The rules in force. Raises ValueError for a measure that there is none of."""
        known = {rule.measure for rule in RULES}
        if unknown := sorted((set(self.bounds) | self.without | self.without_for_code) - known):
            raise ValueError(f"There is no measure {unknown[0]}: choose among {', '.join(sorted(known))}.")
        return tuple(
            Rule(measure=rule.measure, low=own.low, high=own.high, source="the recipe")
            if (own := self.bounds.get(rule.measure)) is not None
            else rule
            for rule in RULES
            if rule.measure not in self.without and not (for_code and rule.measure in self.without_for_code)
        )


class Heuristics:
    """The rules of one recipe, ready for documents."""

    def __init__(self, recipe: HeuristicRecipe) -> None:
        self._rules = recipe.rules()
        self._code_rules = recipe.rules(for_code=True)
        self._stop_words = {**STOP_WORDS, **recipe.stop_words}

    def verdicts(self, segments: Segments, language: str | None) -> dict[str, Verdict]:
        """Each rule's verdict by its measure; rules that do not fit the script or language are left out."""
        rules = self._code_rules if language == NO_LANGUAGE else self._rules
        return judged(rules, measures(segments, self._stop_words.get(language or "", frozenset())))

    def judge(self, values: Mapping[str, float]) -> dict[str, Verdict]:
        """The verdicts on measured values of a document that is no code."""
        return judged(self._rules, values)


def judged(rules: Iterable[Rule], values: Mapping[str, float]) -> dict[str, Verdict]:
    """The rules' verdicts on what was measured."""
    return {rule.measure: rule.verdict(values[rule.measure]) for rule in rules if rule.measure in values}


def measures(segments: Segments, stop_words: frozenset[str]) -> dict[str, float]:
    """All that is measured of a document."""
    return {**shape(segments, stop_words), **repetition(segments)}
