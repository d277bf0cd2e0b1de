"""A tokenizer whose special tokens answer to secret names alone, so that no text can forge one.

Comes in: the JSON of a tokenizer, then text in which a chat template wrote special tokens around contents
that may hold the same words. Goes out: token ids. Contents are shielded before the template sees them: each
word that looks like a special token becomes a mark. In what the template then wrote, every special token
is the template's own and gets its secret name; last the marks become words again. The whole text is
encoded in one piece, so that harmless text gets exactly the ids that the plain tokenizer gives it.
"""

import json
import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

# Characters of Unicode's private use area: no letters, no white space, and no normaliser changes them.
MARK_START, MARK_END = "\ue000", "\ue001"
NAME_START, NAME_END = "\ue002", "\ue003"

MARK = re.compile(f"{MARK_START}([0-9]+){MARK_END}")


@dataclass(frozen=True, kw_only=True)
class EncodedText:
    """Token ids, each with the characters of the text (first, after) that it stands for."""

    ids: list[int]
    offsets: list[tuple[int, int]]


class SealedTokenizer:
    """One tokenizer, sealed. Text comes in shielded and is opened for encoding."""

    def __init__(self, tokenizer_json: str) -> None:
        parsed: dict[str, Any] = json.loads(tokenizer_json)  # Any: JSON
        # Not even a fixed name: whoever knew it could write it. The ids do not depend on it.
        seal = secrets.token_hex(8)
        special = [token for token in parsed["added_tokens"] if token["special"]]
        self.special_ids = {str(token["content"]): int(token["id"]) for token in special}
        self._names = {
            content: f"{NAME_START}{seal}{token_id}{NAME_END}"
            for content, token_id in self.special_ids.items()
        }
        self._own_names = {token_id: content for content, token_id in self.special_ids.items()}
        rename(parsed, self._names)
        self._tokenizer = Tokenizer.from_str(json.dumps(parsed))
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        longest_first = sorted(self.special_ids, key=len, reverse=True)
        self._special = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")
        self._shielded = [*longest_first, MARK_START, MARK_END]
        self._to_shield = re.compile("|".join(map(re.escape, self._shielded)))
        self._number_of = {word: number for number, word in enumerate(self._shielded)}

    @classmethod
    def from_folder(cls, folder: Path) -> "SealedTokenizer":
        """The tokenizer of a folder's tokenizer.json."""
        return cls((folder / "tokenizer.json").read_text(encoding="utf-8"))

    @property
    def vocabulary_size(self) -> int:
        """How many ids there are, special tokens included."""
        return int(self._tokenizer.get_vocab_size(with_added_tokens=True))

    def shield(self, content: str) -> str:
        """The content with marks for words that look like special tokens."""
        return self._to_shield.sub(
            lambda match: f"{MARK_START}{self._number_of[match.group()]}{MARK_END}", content
        )

    def encode(self, shielded: str) -> EncodedText:
        """Ids of text with the template's special tokens; offsets count in the opened text."""
        encoding = self._tokenizer.encode(self.opened(shielded), add_special_tokens=False)
        return EncodedText(
            ids=list(encoding.ids), offsets=[(first, after) for first, after in encoding.offsets]
        )

    def encode_batch(self, shielded: Sequence[str]) -> list[list[int]]:
        """Ids of many texts, in parallel."""
        texts = [self.opened(text) for text in shielded]
        return [
            list(found.ids) for found in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        ]

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`, special tokens left out."""
        return str(self._tokenizer.decode(list(ids), skip_special_tokens=True))

    def piece(self, token_id: int) -> str:
        """A token's piece, special tokens under their own names."""
        return self._own_names.get(token_id) or str(self._tokenizer.id_to_token(token_id))

    def opened(self, shielded: str) -> str:
        """The text to encode: special tokens under their secret names, marks as words again."""
        sealed = self._special.sub(lambda match: self._names[match.group()], shielded)
        return MARK.sub(lambda match: self._shielded[int(match.group(1))], sealed)

    def first_special(self, shielded: str) -> re.Match[str] | None:
        """The first special token of a text."""
        return self._special.search(shielded)

    def last_special(self, shielded: str) -> re.Match[str] | None:
        """The last special token of a text."""
        last = None
        for last in self._special.finditer(shielded):  # noqa: B007  # the last one is what is wanted
            pass
        return last


def rename(parsed: dict[str, Any], names: dict[str, str]) -> None:  # Any: JSON
    """Give the tokens their new names wherever a tokenizer's JSON holds them."""
    for token in parsed["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    model = parsed["model"]
    vocabulary = model.get("vocab")
    if isinstance(vocabulary, dict):
        model["vocab"] = {names.get(word, word): number for word, number in vocabulary.items()}
    elif isinstance(vocabulary, list):
        model["vocab"] = [[names.get(word, word), score] for word, score in vocabulary]
    if isinstance(model.get("unk_token"), str):
        model["unk_token"] = names.get(model["unk_token"], model["unk_token"])
    # It would add special tokens by their old names, and the template writes them all.
    parsed["post_processor"] = None
