"""`python -m pretrain.vocabulary.extend run.json`: further tokens for languages that a vocabulary lacks.

Llama 3 added 28K tokens for other languages to 100K (section 3.2). What changes and what cannot:
`pretrain.vocabulary.extension`.
"""

from pathlib import Path
from typing import Any

from pydantic import Field

from pretrain.failures import ProgramError
from pretrain.run import ProgramConfig, RunFolder, program_main
from pretrain.vocabulary.extension import BaseVocabulary, Growth, write_extension
from pretrain.vocabulary.measuring import by_language, change
from pretrain.vocabulary.texts import Texts, TextSource, read_texts

TOLD_EVERY = 100


class ExtendConfig(ProgramConfig):
    """Result: {"num_tokens", "first_token", "change_left_alone", "change_gained", "before": {language:
    {"characters", "tokens", "characters_per_token"}}, "after": …, "num_refused"}, all on held-out texts.
    A change is how much more text a token holds, as a part."""

    base: Path
    """The folder of a byte-level BPE tokenizer, or of a model with one."""
    gain: tuple[TextSource, ...] = Field(min_length=1)
    """Texts of the languages to gain, in the proportion in which they are to count."""
    leave: tuple[TextSource, ...] = Field(min_length=1)
    """Texts of the languages to leave alone: those that the base was made for."""
    num_tokens: int = Field(ge=1)
    max_change: float = Field(default=0.005, ge=0, le=1)
    """The largest share of the tokens of the languages to leave alone that may be saved; half of a hundredth
    keeps texts that were not seen within a hundredth."""
    min_count: int = Field(default=2, ge=2)
    out: Path


def run(config: ExtendConfig, folder: RunFolder) -> None:
    """Learn, write and measure."""
    if config.out.resolve() == config.base.resolve():
        raise ProgramError("The extended tokenizer would overwrite its base: give another out.")
    base = BaseVocabulary(config.base)
    gain, leave = read_texts(config.gain), read_texts(config.leave)

    def told(num_done: int) -> None:
        if num_done % TOLD_EVERY == 0 or num_done == config.num_tokens:
            folder.progress(num_done, config.num_tokens, "tokens")

    told(0)
    growth = Growth(num_tokens=config.num_tokens, max_change=config.max_change, min_count=config.min_count)
    merges = base.learn(gain.to_learn(), leave.to_learn(), growth, told)
    extended = write_extension(base, merges, config.out)
    languages = {**gain.held_out, **leave.held_out}
    result: dict[str, Any] = {  # Any: JSON
        "num_tokens": len(merges),
        "first_token": base.first_new,
        "change_gained": change(base.tokenizer, extended, together(gain)),
        "change_left_alone": change(base.tokenizer, extended, together(leave)),
        "before": by_language(base.tokenizer, languages),
        "after": by_language(extended, languages),
        "num_refused": gain.num_refused + leave.num_refused,
    }
    folder.finish(result)


def together(texts: Texts) -> list[str]:
    """All held-out texts."""
    return [text for texts_of_one in texts.held_out.values() for text in texts_of_one]


if __name__ == "__main__":
    program_main(ExtendConfig, run)
