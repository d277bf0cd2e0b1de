"""Examples token by token, as a model reads them: the parts that a page and a command show.

Comes in: an example and an encoder. Goes out: its context and each answer as tokens with their text and
kind: read only (context), learned as what the answer says (response), learned as the dialog's form
(format), which DPO's preference term leaves out. Pure: no Django, no torch.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from alignment.encoding import encode_preference, sft_turn
from alignment.examples import Example
from alignment.records import SftExample
from annotation.records import PreferenceRecord
from pretrain.encoders import Encoder

MOST_TOKENS = 4000
"""Of a longer part, so many tokens are shown: half of its beginning, half of its end."""

LINE_END = "↵\n"


class Kind(StrEnum):
    """What a token is for in training."""

    CONTEXT = "context"
    RESPONSE = "response"
    FORMAT = "format"


@dataclass(frozen=True, kw_only=True)
class ShownToken:
    """One token."""

    id: int
    text: str
    """What it stands for, with line ends and invisible characters made visible."""
    kind: Kind


@dataclass(frozen=True, kw_only=True)
class ShownPart:
    """A context or an answer."""

    title: str
    beginning: list[ShownToken]
    num_left_out: int
    """Tokens between the beginning and the end that are not shown."""
    end: list[ShownToken]
    num_of_kind: dict[Kind, int]
    """How many tokens of each kind the part has, those that are not shown included."""

    @property
    def num_tokens(self) -> int:
        """All of them."""
        return sum(self.num_of_kind.values())


def shown_parts(example: Example, encoder: Encoder, *, most_tokens: int = MOST_TOKENS) -> list[ShownPart]:
    """The context, then each answer, best first. Raises ProgramError where the encoder refuses them."""
    parts: list[tuple[str, list[int], list[Kind]]] = []
    context = encoder.encode_context(example.context)
    parts.append(("Context", context, [Kind.CONTEXT] * len(context)))
    if isinstance(example, PreferenceRecord):
        encoded = encode_preference(example, encoder)
        answers = zip(example.responses, encoded.responses, encoded.format_masks, strict=True)
        for place, (response, ids, is_format) in enumerate(answers, start=1):
            parts.append((f"Answer {place}: {response.origin}", ids, kinds_of(is_format)))
    elif isinstance(example, SftExample):
        turn = encoder.encode_turn(sft_turn(example), context=example.context)
        kinds = kinds_of(turn.is_format)
        kinds = [kind if learned else Kind.CONTEXT for kind, learned in zip(kinds, turn.learned, strict=True)]
        parts.append(("Answer", turn.ids, kinds))
    return [shown_part(title, ids, kinds, encoder, most_tokens) for title, ids, kinds in parts]


def kinds_of(is_format: Sequence[bool]) -> list[Kind]:
    """The kinds of an answer's tokens."""
    return [Kind.FORMAT if form else Kind.RESPONSE for form in is_format]


def shown_part(
    title: str, ids: Sequence[int], kinds: Sequence[Kind], encoder: Encoder, most_tokens: int
) -> ShownPart:
    """One part, its middle left out where it is long."""
    half = most_tokens // 2 if len(ids) > most_tokens else len(ids)
    rows = list(zip(ids, kinds, strict=True))
    beginning, end = rows[:half], rows[max(half, len(rows) - half) :]
    return ShownPart(
        title=title,
        beginning=[shown_token(token, kind, encoder) for token, kind in beginning],
        num_left_out=len(rows) - len(beginning) - len(end),
        end=[shown_token(token, kind, encoder) for token, kind in end],
        num_of_kind=dict(Counter(kinds)),
    )


def shown_token(token_id: int, kind: Kind, encoder: Encoder) -> ShownToken:
    """One token."""
    return ShownToken(id=token_id, text=visible(encoder.token_text(token_id)), kind=kind)


def visible(text: str) -> str:
    """The text with line ends marked and what cannot be seen written as its code.

    Nothing in it can steer a terminal or turn the direction of what stands around it.
    """
    return "".join(
        LINE_END
        if character == "\n"
        else f"⟨{ord(character):04X}⟩"
        if unicodedata.category(character)[0] == "C" or category_breaks(character)
        else character
        for character in text
    )


def category_breaks(character: str) -> bool:
    """Whether a character ends a line without being a line feed."""
    return unicodedata.category(character) in ("Zl", "Zp")
