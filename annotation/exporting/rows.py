"""Preference records as rows of Accord's form or of TRL's, and what a table of them looks like."""

import itertools
from typing import Any

import pyarrow as pa

from annotation.records import Message, PreferenceRecord, RankedResponse

FORMATS = ("accord", "trl")

TEXT = pa.string()
MESSAGES = pa.list_(pa.struct([("role", TEXT), ("content", TEXT), ("tool_call", pa.bool_())]))
RESPONSES = pa.list_(
    pa.struct(
        [
            ("content", TEXT),
            ("model", TEXT),
            ("origin", TEXT),
            ("tool_call", pa.bool_()),
            ("safety", pa.list_(TEXT)),
            ("checkpoint", TEXT),
        ]
    )
)
SCHEMAS = {
    "accord": pa.schema(
        [
            ("id", TEXT),
            ("domain", TEXT),
            ("language", TEXT),
            ("round", pa.int64()),
            ("context", MESSAGES),
            ("responses", RESPONSES),
            ("strength", TEXT),
            ("annotator", TEXT),
            ("created", TEXT),
        ]
    ),
    "trl": pa.schema(
        [
            ("id", TEXT),
            ("domain", TEXT),
            ("language", TEXT),
            ("strength", TEXT),
            ("prompt", MESSAGES),
            ("chosen", MESSAGES),
            ("rejected", MESSAGES),
            ("chosen_safety", pa.list_(TEXT)),
            ("rejected_safety", pa.list_(TEXT)),
        ]
    ),
}
"""`tool_call`, `safety`, `checkpoint` and the like are null where a message or a response has none."""

Row = dict[str, Any]  # Any: JSON


def rows_of(record: PreferenceRecord, format_: str) -> list[Row]:
    """One record's rows: itself, or for TRL one a pair of a better and a worse response."""
    if format_ == "accord":
        return [record.model_dump(mode="json")]
    pairs = list(itertools.combinations(record.responses, 2))
    return [
        {
            "id": record.id if len(pairs) == 1 else f"{record.id}/{number}",
            "domain": record.domain,
            "language": record.language,
            "strength": record.strength.value,
            "prompt": [message.model_dump() for message in record.context],
            "chosen": [_message(better)],
            "rejected": [_message(worse)],
            **_unsafe("chosen_safety", better),
            **_unsafe("rejected_safety", worse),
        }
        for number, (better, worse) in enumerate(pairs)
    ]


def _message(response: RankedResponse) -> Row:
    return Message(role="assistant", content=response.content, tool_call=response.tool_call).model_dump()


def _unsafe(name: str, response: RankedResponse) -> Row:
    """What is unsafe in the response, if anything: a row without says that nothing is."""
    return {name: list(response.safety)} if response.safety else {}
