"""A vocabulary with further tokens behind its own: which merges, and the tokenizer that has them.

Comes in: the folder of a byte-level BPE tokenizer and texts. Goes out: an extended tokenizer folder. Rules:

- Every token of the base keeps its id, special tokens too; new ones follow after the highest.
- The base's merges keep their ranks and come first, and no new merge makes a token that the base has. So any
  text is first split as the base splits it, and new merges only join neighbours of that split: with each new
  token written as its parts, the ids are the base's, for every text.
"""

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, pre_tokenizers

from pretrain.failures import ProgramError
from pretrain.run import write_atomically
from pretrain.vocabulary.further_merges import CountedPieces, Ids, Merge, learn_merges

EXTENSION_NAME = "extension.json"
COPIED = ("tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "chat_template.json")


@dataclass(frozen=True, kw_only=True)
class Growth:
    """How much a vocabulary grows."""

    num_tokens: int
    max_change: float
    """The largest share of the tokens of the languages to leave alone that may be saved."""
    min_count: int
    """How often a pair must be seen."""


class BaseVocabulary:
    """A byte-level BPE tokenizer that others are made from."""

    def __init__(self, folder: Path) -> None:
        """Raises ProgramError where the folder holds no byte-level BPE tokenizer."""
        self.folder = Path(folder)
        path = self.folder / "tokenizer.json"
        try:
            self.parsed: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))  # Any: JSON
            self.tokenizer = Tokenizer.from_str(json.dumps(self.parsed))
        except FileNotFoundError as error:
            raise ProgramError(f"There is no {path}: give the folder of a tokenizer.") from error
        except Exception as error:  # the library raises plain ones
            raise ProgramError(
                f"{path} is no tokenizer that can be read ({error}): copy it again."
            ) from error
        require_byte_level(self.parsed, path)
        self.tokenizer.encode_special_tokens = True
        self.texts: dict[int, str] = {number: text for text, number in self.parsed["model"]["vocab"].items()}
        added = {token["id"] for token in self.parsed["added_tokens"]}
        self.first_new = 1 + max([*self.texts, *added])
        """The id of the first token behind the base's own."""
        self._plain = {token: text for token, text in self.texts.items() if token not in added}

    def counted(self, texts: Iterable[str]) -> CountedPieces:
        """The texts' pieces as the base splits them into tokens."""
        pieces: Counter[str] = Counter()
        for text in texts:
            if self.tokenizer.normalizer is not None:
                text = self.tokenizer.normalizer.normalize_str(text)
            pieces.update(piece for piece, _ in self.tokenizer.pre_tokenizer.pre_tokenize_str(text))
        counted: Counter[Ids] = Counter()
        for piece, count in pieces.items():
            counted[self.split(piece)] += count
        return CountedPieces(counted)

    def split(self, piece: str) -> Ids:
        """The tokens of a piece, which is written as the vocabulary writes it."""
        return tuple(token.id for token in self.tokenizer.model.tokenize(piece))

    def learn(
        self, gain: Iterable[str], leave: Iterable[str], growth: Growth, told: Callable[[int], None]
    ) -> list[Merge]:
        """Merges for the texts in `gain`. Raises ProgramError where there are fewer than wanted."""
        merges = learn_merges(
            gain=self.counted(gain),
            leave=self.counted(leave),
            texts=self._plain,
            first_token=self.first_new,
            num_merges=growth.num_tokens,
            max_change=growth.max_change,
            min_count=growth.min_count,
            is_sound=lambda text, parts: self.split(text) == parts,
            told=told,
        )
        if len(merges) < growth.num_tokens:
            raise ProgramError(
                f"The texts are enough for {len(merges)} further tokens, not for {growth.num_tokens}: give "
                f"more text of the other languages, ask for {len(merges)}, or raise max_change "
                f"({growth.max_change:g})."
            )
        return merges

    def extended(self, merges: Iterable[Merge]) -> str:
        """The JSON of the tokenizer with the merges behind the base's own."""
        parsed = json.loads(json.dumps(self.parsed))
        model = parsed["model"]
        # The library numbers added tokens that the model lacks anew when it reads them: now they would move.
        for token in parsed["added_tokens"]:
            model["vocab"].setdefault(token["content"], token["id"])
        as_text = bool(model["merges"]) and isinstance(model["merges"][0], str)
        texts = dict(self.texts)
        for merge in merges:
            pair = [texts[merge.left], texts[merge.right]]
            model["merges"].append(" ".join(pair) if as_text else pair)
            model["vocab"][merge.text] = merge.token
            texts[merge.token] = merge.text
        return json.dumps(parsed, ensure_ascii=False)


def write_extension(base: BaseVocabulary, merges: list[Merge], out: Path) -> Tokenizer:
    """Write the extended tokenizer's folder; `extension.json` in it has each new token with its parts."""
    out.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        if (base.folder / name).is_file():
            shutil.copyfile(base.folder / name, out / name)
    extended = base.extended(merges)
    tokenizer = Tokenizer.from_str(extended)
    for merge in merges:
        assert tokenizer.token_to_id(merge.text) == merge.token, merge
    told = {"first_token": base.first_new, "merges": [asdict(merge) for merge in merges]}
    write_atomically(out / EXTENSION_NAME, json.dumps(told, ensure_ascii=False))
    write_atomically(out / "tokenizer.json", extended)
    tokenizer.encode_special_tokens = True
    return tokenizer


def read_extension(folder: Path) -> list[Merge]:
    """The further merges of an extended tokenizer. Raises ProgramError where the folder is none."""
    path = Path(folder) / EXTENSION_NAME
    if not path.is_file():
        raise ProgramError(
            f"There is no {path}: give a folder that `python -m pretrain.vocabulary.extend` wrote."
        )
    told = json.loads(path.read_text(encoding="utf-8"))
    return [Merge(**{**merge, "parts": tuple(merge["parts"])}) for merge in told["merges"]]


def require_byte_level(parsed: dict[str, Any], path: Path) -> None:  # Any: JSON
    """Raise ProgramError where text could be split otherwise than by bytes and merges alone."""
    model = parsed.get("model") or {}
    if model.get("type", "BPE") != "BPE" or "merges" not in model:
        raise ProgramError(
            f"{path} is of the kind {model.get('type')}: only byte-level BPE tokenizers, such as Llama 3's, "
            "can be extended."
        )
    steps = parsed.get("pre_tokenizer") or {}
    kinds = {step["type"] for step in steps.get("pretokenizers", [steps]) if "type" in step}
    lacking = set(pre_tokenizers.ByteLevel.alphabet()) - set(model["vocab"])
    if "ByteLevel" not in kinds or lacking:
        why = f"it lacks {len(lacking)} of 256 bytes" if lacking else "it does not split text into bytes"
        raise ProgramError(
            f"{path} is no byte-level tokenizer ({why}): give one that is, such as Llama 3's, or train one "
            "with `python -m pretrain.vocabulary.train`."
        )
    if model.get("dropout") or model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
        raise ProgramError(
            f"{path} has dropout, a prefix or a suffix in its BPE model: only plain byte-level BPE "
            "tokenizers can be extended."
        )
