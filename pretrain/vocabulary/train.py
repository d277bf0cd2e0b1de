"""`python -m pretrain.vocabulary.train run.json`: byte-level BPE with the dialog protocol's tokens."""

from pathlib import Path

from pydantic import Field

from pretrain.failures import ProgramError
from pretrain.run import ProgramConfig, RunFolder, program_main
from pretrain.tokenizer import save_tokenizer, train_tokenizer
from pretrain.vocabulary.measuring import by_language
from pretrain.vocabulary.texts import TextSource, read_texts


class TrainVocabularyConfig(ProgramConfig):
    """Result: {"vocabulary_size", "languages": {language: {"characters", "tokens", "characters_per_token"}},
    "num_refused"}, on held-out texts."""

    texts: tuple[TextSource, ...] = Field(min_length=1)
    """In the proportion in which they are to count."""
    vocabulary_size: int
    """Tokens, those of the dialog protocol and the bytes included."""
    max_length: int = Field(default=8192, ge=16)
    """The context length in tokens of the models to come."""
    out: Path


def run(config: TrainVocabularyConfig, folder: RunFolder) -> None:
    """Train, write and measure."""
    texts = read_texts(config.texts)
    folder.progress(0, 2, "steps")
    tokenizer = train_tokenizer(texts.to_learn(), config.vocabulary_size)
    size = tokenizer.get_vocab_size()
    if size < config.vocabulary_size:
        raise ProgramError(
            f"The texts are enough for a vocabulary of {size} tokens, not of {config.vocabulary_size}: give "
            f"more text, or ask for {size}."
        )
    folder.progress(1, 2, "steps")
    save_tokenizer(tokenizer, config.out, config.max_length)
    tokenizer.encode_special_tokens = True
    languages = by_language(tokenizer, texts.held_out)
    folder.progress(2, 2, "steps")
    folder.finish({"vocabulary_size": size, "languages": languages, "num_refused": texts.num_refused})


if __name__ == "__main__":
    program_main(TrainVocabularyConfig, run)
