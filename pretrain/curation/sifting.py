"""All filters that look at one document alone, in one pass: a document is split into words once.

Comes in: what to filter by (`SiftRecipe`). Goes out: a `Sieve` that gives documents their verdicts. A filter
that the recipe does not name is not applied. Personal data are masked in kept and dropped documents alike.
"""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from pretrain.curation.classifier import TextClassifier
from pretrain.curation.code import NO_LANGUAGE, is_code
from pretrain.curation.decontamination import NGRAM_WORDS, EvaluationTexts
from pretrain.curation.dirty_words import DirtyWords
from pretrain.curation.divergence import WordCounts
from pretrain.curation.documents import Document, Verdict
from pretrain.curation.heuristics import HeuristicRecipe, Heuristics
from pretrain.curation.languages import LanguageModel, undetermined
from pretrain.curation.urls import Domains, host_of, read_lines
from pretrain.curation.words import Segments
from pretrain.personal_data import Masker, find


class Part(BaseModel):
    """The base of the recipe's parts."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class LanguagePart(Part):
    """Language identification. Code is in none: it is not asked for one."""

    model: Path
    """A fastText model for language identification."""
    min_probability: float = Field(default=0.65, ge=0, le=1)
    """FineWeb's (Penedo et al. 2024, section 3.1)."""
    languages: frozenset[str] = frozenset()
    """Codes that are kept; none given: all."""


class PrivateDataPart(Part):
    """Personal data: `pretrain.personal_data`."""

    max_share: float = Field(default=0.05, ge=0, le=1)
    """Of the document's characters: pages that are lists of people are dropped."""
    mask: bool = True
    """Put placeholders in the stead of what is found."""


class DirtyWordsPart(Part):
    """Dirty words."""

    max_share: float = Field(default=0.01, ge=0, le=1)
    """Of the document's words: our choice."""
    lists: dict[str, Path] = Field(default_factory=dict)
    """By language code, one word a line, in the stead of the product's own."""


class DivergencePart(Part):
    """Distance from the corpus's words."""

    word_counts: Path
    """What `python -m pretrain.curation.count_words` wrote: a folder of counts by language."""
    max_nats: float = Field(gt=0)
    """Read it off the report of a run with a high one: it depends on the corpus and on documents' length."""


class EvaluationPart(Part):
    """Decontamination."""

    texts: tuple[Path, ...] = Field(min_length=1)
    """JSON lines with `text`, or plain text, one evaluation text a line."""
    ngram_words: int = Field(default=NGRAM_WORDS, ge=3, le=50)
    max_share: float = Field(default=0, ge=0, le=1)
    """Of the document's words that may stand in evaluation texts: 0 drops at the first run."""


class ClassifierPart(Part):
    """A classifier's judgement: quality, code, reasoning, kinds of knowledge."""

    folder: Path
    """What `python -m pretrain.curation.train_classifier` wrote."""
    min_probability: float = Field(default=0.5, ge=0, le=1)
    languages: frozenset[str] = frozenset()
    """Codes of the documents it judges; none given: all."""


class SiftRecipe(Part):
    """The filters of one pass."""

    language: LanguagePart | None = None
    unsafe_domains: tuple[Path, ...] = ()
    """Lists of domains, one a line, that are dropped with all below them."""
    heuristics: HeuristicRecipe | None = HeuristicRecipe()
    dirty_words: DirtyWordsPart | None = DirtyWordsPart()
    private_data: PrivateDataPart | None = PrivateDataPart()
    divergence: DivergencePart | None = None
    evaluation: EvaluationPart | None = None
    classifiers: dict[str, ClassifierPart] = Field(default_factory=dict)
    """By the name of the verdict."""

    def files(self) -> list[Path]:
        """What the filters read."""
        found = [*self.unsafe_domains, *(part.folder for part in self.classifiers.values())]
        if self.language is not None:
            found.append(self.language.model)
        if self.dirty_words is not None:
            found += self.dirty_words.lists.values()
        if self.divergence is not None:
            found.append(self.divergence.word_counts)
        if self.evaluation is not None:
            found += self.evaluation.texts
        return found


class Sieve:
    """The filters of a recipe, ready for documents."""

    def __init__(self, recipe: SiftRecipe) -> None:
        """Raises ProgramError where a file of the recipe cannot be read."""
        self._recipe = recipe
        self._language = LanguageModel(recipe.language.model) if recipe.language else None
        self._domains = Domains(read_lines(recipe.unsafe_domains))
        self._heuristics = Heuristics(recipe.heuristics) if recipe.heuristics else None
        self._dirty_words = (
            DirtyWords({code: read_lines([path]) for code, path in recipe.dirty_words.lists.items()})
            if recipe.dirty_words
            else None
        )
        self._evaluation = (
            EvaluationTexts.read(recipe.evaluation.texts, recipe.evaluation.ngram_words)
            if recipe.evaluation
            else None
        )
        self._classifiers = {name: TextClassifier(part.folder) for name, part in recipe.classifiers.items()}
        self._word_counts: dict[str, WordCounts | None] = {}

    def sift(self, document: Document) -> Document:
        """The document with the verdicts of all filters, its language and its masked text."""
        segments = Segments(document.text)
        verdicts: dict[str, Verdict] = {}
        if self._domains:
            verdicts["unsafe_domain"] = self._domain(document.url)
        language = document.language
        if is_code(document.url, segments):
            language = NO_LANGUAGE
        elif self._language is not None and self._recipe.language is not None:
            part = self._recipe.language
            guess = self._language.guess(document.text)
            language = guess.code
            verdicts["language"] = guess.verdict(part.min_probability, part.languages)
        if self._heuristics is not None:
            verdicts |= self._heuristics.verdicts(segments, language)
        if self._dirty_words is not None and self._recipe.dirty_words is not None:
            share = self._dirty_words.share(segments, language)
            verdicts["dirty_words"] = at_most(share, self._recipe.dirty_words.max_share, "dirty words")
        if self._recipe.divergence is not None:
            verdicts |= self._divergence(segments, language)
        if self._evaluation is not None and self._recipe.evaluation is not None:
            verdicts["evaluation"] = self._evaluation.verdict(segments, self._recipe.evaluation.max_share)
        verdicts |= self._quality(document.text, language)
        text = document.text
        if self._recipe.private_data is not None:
            num_private = sum(finding.end - finding.start for finding in find(text))
            share = num_private / max(1, len(text))
            verdicts["private_data"] = at_most(share, self._recipe.private_data.max_share, "personal data")
            if num_private and self._recipe.private_data.mask:
                text = Masker().mask(text)
        found = document.model_copy(update={"text": text, "language": language})
        return found.with_verdicts(verdicts)

    def _domain(self, url: str | None) -> Verdict:
        match = self._domains.match(host_of(url)) if url else None
        return Verdict(kept=match is None, reason=f"on a list: {match}" if match else "")

    def _divergence(self, segments: Segments, language: str | None) -> dict[str, Verdict]:
        part = self._recipe.divergence
        assert part is not None
        code = undetermined(language)
        if code not in self._word_counts:
            path = part.word_counts / f"{code}.npy"
            self._word_counts[code] = WordCounts.read(path) if path.exists() else None
        counts = self._word_counts[code]
        if counts is None:
            return {}
        value = counts.divergence(segments)
        return {"divergence": at_most(value, part.max_nats, "nats from the corpus's words")}

    def _quality(self, text: str, language: str | None) -> dict[str, Verdict]:
        verdicts: dict[str, Verdict] = {}
        for name, part in self._recipe.classifiers.items():
            if not part.languages or undetermined(language) in part.languages:
                probability = self._classifiers[name].probability(text)
                is_kept = probability >= part.min_probability
                reason = "" if is_kept else f"probability below {part.min_probability:g}"
                verdicts[name] = Verdict(kept=is_kept, reason=reason, value=probability)
        return verdicts


def at_most(value: float, highest: float, what: str) -> Verdict:
    """Kept up to the highest value."""
    is_kept = value <= highest
    return Verdict(kept=is_kept, reason="" if is_kept else f"{what} above {highest:g}", value=value)
