"""What a corpus becomes before a training reads it: split, with a tokenizer, as token ids.

Comes in: a PretrainConfig. Goes out: TrainingData; the tokenizer's folder, where the configuration names none
that is there, and `refused.jsonl`.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pretrain.config import PretrainConfig
from pretrain.corpus import Corpus, Document, Refusal, read_corpus, split_documents
from pretrain.dialog import DialogEncoder
from pretrain.make_tokenizer import make_tokenizer
from pretrain.packing import TokenData
from pretrain.run import RunFolder, write_atomically

REFUSED_NAME = "refused.jsonl"
MAX_REFUSED_WRITTEN = 10_000


@dataclass(frozen=True)
class TrainingData:
    """What the corpus became."""

    corpus: Corpus
    tokenizer_folder: Path
    encoder: DialogEncoder
    training: list[list[int]]
    """Token ids of each document."""
    sources: list[str]
    """Of each document in `training`."""
    holdout: TokenData
    num_holdout: int
    characters_per_token: float
    """Over the held-out documents, headers counted as tokens but not as characters."""

    @property
    def num_tokens(self) -> int:
        """Of the documents to train on."""
        return sum(map(len, self.training))


def prepare(config: PretrainConfig, folder: RunFolder) -> TrainingData:
    """Read and split the corpus, train and save the tokenizer, encode everything."""
    tokenizer_folder = config.tokenizer or folder.path / "tokenizer"
    corpus = read_corpus(config.corpus)
    write_refusals(folder, corpus.refusals)
    training, holdout = split_documents(corpus.documents, config.recipe.holdout_fraction, config.seed)
    if config.tokenizer is None:
        make_tokenizer(training, config.recipe, tokenizer_folder)
    encoder = DialogEncoder.from_folder(tokenizer_folder)
    encoded_holdout = encode(encoder, holdout)
    num_characters = sum(document.num_characters for document in holdout)
    return TrainingData(
        corpus=corpus,
        tokenizer_folder=tokenizer_folder,
        encoder=encoder,
        training=encode(encoder, training),
        sources=[document.source for document in training],
        holdout=TokenData(encoded_holdout, encoder.pad_id),
        num_holdout=len(holdout),
        characters_per_token=num_characters / sum(len(ids) for ids in encoded_holdout),
    )


def encode(encoder: DialogEncoder, documents: Sequence[Document]) -> list[list[int]]:
    """Token ids of each document, in order."""
    texts = iter(encoder.encode_documents([d.text for d in documents if d.text is not None]))
    dialogs = iter(encoder.encode_dialogs([d.messages for d in documents if d.text is None]))
    return [next(dialogs if document.text is None else texts) for document in documents]


def write_refusals(folder: RunFolder, refusals: Sequence[Refusal]) -> None:
    """Write the first refused rows to `refused.jsonl`, for people."""
    rows = [
        json.dumps(asdict(refusal), ensure_ascii=False) + "\n" for refusal in refusals[:MAX_REFUSED_WRITTEN]
    ]
    write_atomically(folder.path / REFUSED_NAME, "".join(rows))
