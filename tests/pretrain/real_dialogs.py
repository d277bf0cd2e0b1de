"""The real dialogs beside the project, as messages: for tests that compare encodings on them.

They find the data at ../shared/data from the project's root. Where it is absent they are skipped, except
in CI, where it must be there.
"""

import gzip
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pretrain.corpus import CorpusMessage

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"

needs_real_data = pytest.mark.skipif(
    not DATA.exists() and "CI" not in os.environ, reason="the real data is not on this machine"
)

Dialog = list[CorpusMessage]


def rows(name: str) -> Iterator[dict[str, Any]]:  # Any: JSON
    """The rows of one file of the data."""
    with gzip.open(DATA / name, "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def real_dialogs() -> list[Dialog]:
    """Every dialog, each of its words as it stands, whoever speaks twice in a row included."""
    files = sorted(path.name for path in (DATA / "dialogs").iterdir())
    found = [messages_of(row["turns"]) for file in files for row in rows(f"dialogs/{file}")]
    return [dialog for dialog in found if dialog]


def messages_of(turns: list[dict[str, Any]]) -> Dialog:  # Any: JSON
    """A dialog's messages: who speaks first is the user; a service that is called is a tool."""
    messages: Dialog = []
    first = ""
    for turn in turns:
        speaker = turn.get("speaker") or turn["agent"]
        first = first or speaker
        for call in turn.get("service_calls", []):
            messages += [
                CorpusMessage("assistant", json.dumps(call), tool_call=True),
                CorpusMessage("ipython", json.dumps({"called": call["method"]})),
            ]
        words = turn["text"] if "text" in turn else turn["message"]
        messages.append(CorpusMessage("user" if speaker == first else "assistant", words))
    return messages


def naughty_strings() -> list[str]:
    """Strings that break programs."""
    return [row["text"] for row in rows("robustness/naughty_strings.jsonl.gz")]
