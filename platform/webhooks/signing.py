"""Signatures: HMAC-SHA256 over the time and the body, so that neither can be changed or sent again later.

    Accord-Signature: t=1767225600,v1=5257a869e7…

The receiver computes the same from the header's time, a dot and the raw body, compares in constant time,
and refuses what is older than a few minutes. Pure.
"""

import hashlib
import hmac

HEADER = "Accord-Signature"
TOLERANCE_SECONDS = 300


def signature(secret: str, body: bytes, now: int) -> str:
    """The header's value."""
    return f"t={now},v1={_digest(secret, body, now)}"


def is_signed(secret: str, body: bytes, header: str, now: int, *, tolerance: int = TOLERANCE_SECONDS) -> bool:
    """Whether the header is the body's signature under `secret`, and at most `tolerance` seconds old."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    time = parts.get("t", "")
    if not (time.isascii() and time.isdecimal()) or abs(now - int(time)) > tolerance:
        return False
    return hmac.compare_digest(parts.get("v1", "").encode(), _digest(secret, body, int(time)).encode())


def _digest(secret: str, body: bytes, now: int) -> str:
    return hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
