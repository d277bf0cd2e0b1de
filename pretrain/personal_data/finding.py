"""What a detector finds: a kind of personal data, where it stands, and the value by which it is the same."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The kinds; each names its placeholders: `[EMAIL_1]`, `[EMAIL_2]`…"""

    CREDENTIAL = "CREDENTIAL"
    IBAN = "IBAN"
    CN_ID = "CN_ID"
    CARD = "CARD"
    EMAIL = "EMAIL"
    US_SSN = "US_SSN"
    IP = "IP"
    PHONE = "PHONE"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One piece of personal data in a text."""

    kind: Kind
    start: int
    end: int
    """Characters `start` to before `end` are it."""
    value: str
    """What it says without its way of writing: the same number with and without spaces has one value."""
