"""`mix.json` in a run folder: by which mix, and from which documents, a training draws its tokens.

A resumed training may have another mix, if that would have drawn the same tokens up to the checkpoint that it
goes on from, and the sources drawn so far must hold the same documents.
"""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from pretrain.mix import Mix, check_change
from pretrain.mixed_stream import MixedStream
from pretrain.run import ProgramError, RunFolder, write_atomically

NAME = "mix.json"


def keep_mix(
    folder: RunFolder, mix: Mix, digests: dict[str, str], steps: Sequence[tuple[int, int]] = ()
) -> None:
    """Write the record. `steps`: so many steps that read so many tokens each, one after another."""
    told = {"mix": mix.model_dump(mode="json"), "sources": digests, "steps": list(steps)}
    write_atomically(folder.path / NAME, json.dumps(told, indent=2))


def kept_steps_of(folder: RunFolder) -> list[tuple[int, int]] | None:
    """The record's `steps`; None where there is no record."""
    path = folder.path / NAME
    if not path.exists():
        return None
    return [(count, tokens) for count, tokens in json.loads(path.read_text(encoding="utf-8"))["steps"]]


def check_mix(
    folder: RunFolder,
    mix: Mix,
    stream: MixedStream,
    digests: dict[str, str],
    num_tokens: int,
    annealing_token: int | None = None,
) -> None:
    """Raise ProgramError where the first `num_tokens` tokens would not be those of the record."""
    path = folder.path / NAME
    if not num_tokens or not path.exists():
        return
    told = json.loads(path.read_text(encoding="utf-8"))
    before = Mix.model_validate(told["mix"])
    check_change(before.with_annealing(annealing_token), mix.with_annealing(annealing_token), num_tokens)
    for drawn in stream.ledger(num_tokens):
        if drawn.tokens and told["sources"].get(drawn.source) != digests[drawn.source]:
            raise ProgramError(
                f"The documents of the source {drawn.source!r}, or the tokenizer, are not those from which "
                f"{drawn.tokens} tokens were drawn: put them back, or start anew in another run folder."
            )


def digests(documents: Sequence[Sequence[int]], sources: Sequence[str]) -> dict[str, str]:
    """A hash of each source's token ids."""
    found: dict[str, Any] = {}  # Any: hashlib's private type
    for document, source in zip(documents, sources, strict=True):
        ids = np.asarray(document, dtype=np.int64)
        own = found.setdefault(source, hashlib.sha256())
        own.update(len(ids).to_bytes(8, "little") + ids.tobytes())
    return {source: own.hexdigest() for source, own in sorted(found.items())}
