"""Placeholders in the stead of personal data: the same value gets the same one all through a dialog.

masker = Masker()
masker.mask("Write to ann@example.org or bo@example.org. ann@example.org is faster.")
# "Write to [EMAIL_1] or [EMAIL_2]. [EMAIL_1] is faster."
"""

import re
from collections import Counter
from collections.abc import Iterable

from pretrain.personal_data.detectors import find
from pretrain.personal_data.finding import Kind

PLACEHOLDER = re.compile(r"\[(" + "|".join(Kind) + r")_(\d{1,6})\]")


class Masker:
    """Masks the texts of one document, prompt or dialog, one after the other."""

    def __init__(self, *, after: Iterable[str] = ()) -> None:
        """`after` are texts that stand before those to mask: their placeholders are not given out again."""
        self.counts: Counter[Kind] = Counter()
        """How many pieces of each kind were masked."""
        self._names: dict[tuple[Kind, str], str] = {}
        self._last: Counter[Kind] = Counter()
        for text in after:
            self._note(text)

    def mask(self, text: str) -> str:
        """The text with placeholders."""
        self._note(text)
        parts: list[str] = []
        position = 0
        for finding in find(text):
            self.counts[finding.kind] += 1
            parts += [text[position : finding.start], self._name(finding.kind, finding.value)]
            position = finding.end
        return "".join([*parts, text[position:]])

    def _name(self, kind: Kind, value: str) -> str:
        if (kind, value) not in self._names:
            self._last[kind] += 1
            self._names[kind, value] = f"[{kind.value}_{self._last[kind]}]"
        return self._names[kind, value]

    def _note(self, text: str) -> None:
        """Leave out the numbers of placeholders that the text has of its own."""
        for match in PLACEHOLDER.finditer(text):
            kind = Kind(match[1])
            self._last[kind] = max(self._last[kind], int(match[2]))
