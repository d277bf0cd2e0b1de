"""`python -m pretrain.make_tokenizer run.json`: a base model's tokenizer, as training would learn it."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from pretrain.corpus import Document, read_corpus, split_documents
from pretrain.recall import recall_texts
from pretrain.recipe import PretrainRecipe
from pretrain.run import ProgramConfig, RunFolder, program_main
from pretrain.tokenizer import save_tokenizer, train_tokenizer

RECALL_SHARE = 0.1
"""Of the characters that a gated recipe's tokenizer learns from: with less, a vocabulary of a thousand tokens
has no whole "amber", and a model that small cannot match keys that are pieces of one another."""


class MakeTokenizerConfig(ProgramConfig):
    """Result: {"vocabulary_size", "num_documents"}: what it has, and from how many it was learned."""

    recipe: PretrainRecipe
    corpus: Path
    """As for `python -m pretrain.train`; the documents that it will hold out are not looked at."""
    seed: int
    out: Path


def run(config: MakeTokenizerConfig, folder: RunFolder) -> None:
    """Read, split, learn, save."""
    folder.progress(0, 2, "parts")
    documents = read_corpus(config.corpus).documents
    training, _ = split_documents(documents, config.recipe.holdout_fraction, config.seed)
    folder.progress(1, 2, "parts")
    size = make_tokenizer(training, config.recipe, config.out)
    folder.progress(2, 2, "parts")
    folder.finish({"vocabulary_size": size, "num_documents": len(training)})


def make_tokenizer(training: Sequence[Document], recipe: PretrainRecipe, out: Path) -> int:
    """Learn the recipe's tokenizer from the documents to train on; its size. Writes the folder `out`."""
    pieces = (piece for document in training for piece in document.pieces())
    taught = [] if recipe.gates is None else recall_share(training)
    tokenizer = train_tokenizer(chain(pieces, taught), recipe.vocabulary_size)
    save_tokenizer(tokenizer, out, recipe.max_length)
    return int(tokenizer.get_vocab_size())


def recall_share(training: Sequence[Document]) -> list[str]:
    """The recall task's texts, as often as makes them RECALL_SHARE of all; at least twice, as merges want."""
    texts = recall_texts()
    num_characters = sum(document.num_characters for document in training)
    copies = round(num_characters * RECALL_SHARE / (1 - RECALL_SHARE) / sum(map(len, texts)))
    return texts * max(2, copies)


if __name__ == "__main__":
    program_main(MakeTokenizerConfig, run)
