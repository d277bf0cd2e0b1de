"""The tokenizer: byte-level BPE learned from the corpus, with the dialog protocol's special tokens.

Comes in: texts and a vocabulary size. Goes out: a tokenizer folder (tokenizer.json and
tokenizer_config.json with the chat template) that transformers, vLLM and `pretrain.dialog` read. Any
text can be encoded: what is not in the vocabulary falls apart into bytes.
"""

import json
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from pretrain.dialog import BEGIN_OF_TEXT, CHAT_TEMPLATE, EOT, PAD, ROLES, SPECIAL_TOKENS
from pretrain.run import ProgramError, write_atomically

NUM_BYTES = 256
MIN_VOCABULARY_SIZE = NUM_BYTES + len(SPECIAL_TOKENS)

# Llama 3's split of text into pieces that merges never cross: English contractions; a word with at most
# one character before it; up to three digits; punctuation with its line ends; line ends; white space.
PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
    r"[^\r\n\p{L}\p{N}]?\p{L}+",
    r"\p{N}{1,3}",
    r" ?[^\s\p{L}\p{N}]+[\r\n]*",
    r"\s*[\r\n]+",
    r"\s+(?!\S)",
    r"\s+",
)


def train_tokenizer(texts: Iterable[str], vocabulary_size: int) -> Tokenizer:
    """Learn merges until the vocabulary holds `vocabulary_size` tokens or nothing repeats.

    The same texts give the same tokenizer. Raises ProgramError when the size has no room for the bytes.
    """
    if vocabulary_size < MIN_VOCABULARY_SIZE:
        raise ProgramError(
            f"A vocabulary of {vocabulary_size} tokens is too small: "
            f"the bytes and the protocol's tokens alone are {MIN_VOCABULARY_SIZE}."
        )
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex("|".join(PIECES)), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary_size,
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS],
        show_progress=False,
    )
    # Twice is what a piece needs to be merged: the roles' names become tokens where there is room.
    tokenizer.train_from_iterator(chain(texts, ROLES, ROLES), trainer)
    begin_id = tokenizer.token_to_id(BEGIN_OF_TEXT)
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BEGIN_OF_TEXT} $A",
        pair=f"{BEGIN_OF_TEXT} $A {BEGIN_OF_TEXT}:1 $B:1",
        special_tokens=[(BEGIN_OF_TEXT, begin_id)],
    )
    return tokenizer


def save_tokenizer(tokenizer: Tokenizer, folder: Path, max_length: int) -> None:
    """Write the tokenizer folder; `max_length` is the model's context length in tokens."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": BEGIN_OF_TEXT,
        "eos_token": EOT,
        "pad_token": PAD,
        "chat_template": CHAT_TEMPLATE,
        "clean_up_tokenization_spaces": False,
        "model_max_length": max_length,
    }
    write_atomically(folder / "tokenizer_config.json", json.dumps(settings, indent=2))
    write_atomically(folder / "tokenizer.json", tokenizer.to_str(pretty=False))
