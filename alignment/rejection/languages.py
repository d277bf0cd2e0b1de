"""Whether an answer is in its prompt's language.

Pure, offline: py3langid's naive Bayes over byte n-grams (Lui and Baldwin, langid.py, 2012), 140 languages in
a file of 5 MB. An answer is refused only where the detector is sure of another language and has enough to go
by: a few words, code or numbers say nothing of a language.
"""

import re
from functools import cache

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from alignment.records import PromptRecord
from alignment.rejection.recipe import LanguageCheck

NO_PROSE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|https?://\S+|<[^>\n]+>", re.DOTALL)
"""Code and addresses, which are English everywhere."""

NO_LANGUAGE = "zxx"
"""What the detector calls text that is in no language, such as source code."""

ALIKE = (
    frozenset({"no", "nb", "nn", "da"}),
    frozenset({"hr", "sr", "bs", "sh", "me"}),
    frozenset({"id", "ms"}),
    frozenset({"fa", "ur", "prs"}),
)
"""Written so nearly the same that no answer is refused for being in the other."""

LONGEST = 4000
"""Characters that are looked at: more would make no difference."""


def in_another_language(answer: str, prompt: PromptRecord, check: LanguageCheck) -> bool:
    """Whether the answer is surely in another language than the prompt's.

    The prompt's language is the one it is filed under; where the detector does not know that one, the one
    its last message is surely in. Where there is none, no answer is refused.
    """
    if check.domains and prompt.domain not in check.domains:
        return False
    found = sure_language(answer, check)
    if found is None:
        return False
    wanted = filed_language(prompt) or sure_language(prompt.context[-1].content, check)
    return wanted is not None and wanted != found and not any({wanted, found} <= each for each in ALIKE)


def sure_language(text: str, check: LanguageCheck) -> str | None:
    """The language that the text is surely in, as an ISO 639 code; None where that cannot be said."""
    prose = NO_PROSE.sub(" ", text[:LONGEST])
    if sum(character.isalpha() for character in prose) < check.min_letters:
        return None
    language, confidence = detector().classify(prose)
    return str(language) if confidence >= check.min_confidence and language != NO_LANGUAGE else None


def filed_language(prompt: PromptRecord) -> str | None:
    """The prompt's language without its region ("pt-BR" is "pt"); None where the detector knows it not."""
    language = re.split("[-_]", prompt.language.strip().lower())[0]
    known = language in detector().labels or any(language in each for each in ALIKE)
    return language if known else None


@cache
def detector() -> LanguageIdentifier:
    """The detector, read once by a process: half a second."""
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
