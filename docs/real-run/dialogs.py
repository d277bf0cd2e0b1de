"""Turns public dialog sets into a corpus of dialogs, for the run that docs/real-run.md describes.

    python docs/real-run/dialogs.py SET.jsonl.gz ... > dialogs.jsonl

Comes in: JSON lines with `turns`, each with a speaker (`speaker`, `agent` or `who`) and its words (`text` or
`message`). Goes out: `{"messages": [{"role", "content"}, ...]}`; who speaks first is the user, and what
one speaker says in several turns is one message.
"""

import gzip
import json
import sys
from collections.abc import Iterator
from pathlib import Path


def messages_of(turns: list[dict[str, str]]) -> list[dict[str, str]]:
    """The dialog's messages, from a user's first to an assistant's last; empty if there are none."""
    messages: list[dict[str, str]] = []
    speakers: dict[str, str] = {}
    for turn in turns:
        speaker = turn.get("speaker") or turn.get("agent") or turn.get("who") or ""
        words = (turn.get("text") or turn.get("message") or "").strip()
        if not words:
            continue
        role = speakers.setdefault(speaker, "user" if not speakers else "assistant")
        if messages and messages[-1]["role"] == role:
            messages[-1]["content"] += " " + words
        else:
            messages.append({"role": role, "content": words})
    if messages and messages[-1]["role"] == "user":
        messages.pop()
    return messages


def dialogs(path: Path) -> Iterator[list[dict[str, str]]]:
    """The dialogs of one set."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            messages = messages_of(json.loads(line)["turns"])
            if len(messages) >= 2:
                yield messages


def main() -> None:
    """Convert every set named on the command line."""
    for name in sys.argv[1:]:
        for messages in dialogs(Path(name)):
            sys.stdout.write(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
