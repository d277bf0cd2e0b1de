"""Which language a text is in, by a fastText model: lid.176, GlotLID, or one of `train_language`.

Labels are read as fastText's community writes them: `__label__de`, `__label__deu_Latn`.
"""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from pretrain.curation.documents import Verdict
from pretrain.curation.fast_text import LABEL, load, one_line

UNDETERMINED = "und"
"""ISO 639's code for a language that is not known."""
MAX_CHARACTERS = 5000
"""Of a text, from its beginning: more tells no more."""


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A language and how sure it is."""

    code: str
    probability: float

    def verdict(self, min_probability: float, languages: Collection[str]) -> Verdict:
        """Kept where it is sure, and one of `languages` where there are any."""
        if self.probability < min_probability:
            return Verdict(
                kept=False, reason=f"{self.code} below {min_probability:g}", value=self.probability
            )
        if languages and self.code not in languages:
            return Verdict(kept=False, reason=f"in {self.code}", value=self.probability)
        return Verdict(kept=True, value=self.probability)


class LanguageModel:
    """A model for language identification."""

    def __init__(self, path: Path) -> None:
        """Raises ProgramError where the file is no fastText model."""
        self._model = load(path)

    def guess(self, text: str) -> Guess:
        """The likeliest language; `und` with probability 0 for a text without letters."""
        line = one_line(text[:MAX_CHARACTERS])
        if not any(map(str.isalpha, line)):
            return Guess(code=UNDETERMINED, probability=0.0)
        labels, probabilities = self._model.predict(line)
        if not labels:
            return Guess(code=UNDETERMINED, probability=0.0)
        return Guess(code=labels[0].removeprefix(LABEL), probability=min(1.0, float(probabilities[0])))


def undetermined(language: str | None) -> str:
    """The language's code, also of one that is not known."""
    return language or UNDETERMINED
