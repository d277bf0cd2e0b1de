"""Detectors of secrets: keys in the forms of well-known services, private keys, passwords that are named so.

The forms are those that the services document for scanners of secrets.
"""

import re
from collections.abc import Iterator

from pretrain.personal_data.finding import Finding, Kind

_KEYS = re.compile(
    r"(?<![A-Za-z0-9_-])(?:"
    r"(?:AKIA|ASIA)[A-Z0-9]{16}"  # Amazon Web Services
    r"|gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9_]{22,255}"
    r"|glpat-[A-Za-z0-9_-]{20,255}"  # GitLab
    r"|xox[abeprs]-[A-Za-z0-9-]{10,255}"  # Slack
    r"|AIza[A-Za-z0-9_-]{35}"  # Google
    r"|sk-[A-Za-z0-9_-]{20,255}"  # OpenAI, Anthropic and others
    r"|(?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{16,255}"  # Stripe
    r"|hf_[A-Za-z0-9]{30,255}"  # Hugging Face
    r"|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,255}"
    r"|SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"  # SendGrid
    r"|accord_[A-Za-z0-9_-]{43}"  # ours
    r"|eyJ[A-Za-z0-9_-]{10,4000}\.eyJ[A-Za-z0-9_-]{10,4000}\.[A-Za-z0-9_-]{10,4000}"  # JSON web tokens
    r")(?![A-Za-z0-9])"
)
_PRIVATE_KEY = re.compile(
    r"-----BEGIN (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
    r"(?:[^-]{0,20000}-----END (?:[A-Z0-9]{1,20} ){0,3}PRIVATE KEY(?: BLOCK)?-----|[A-Za-z0-9+/=\s]{0,20000})"
)
_BEARER = re.compile(r"\b[Bb]earer\s+([A-Za-z0-9._~+/-]{20,4000}={0,2})")
_NAMED = re.compile(
    r"(?i)(?<![a-z])(?:password|passwd|passwort|passphrase|api[_ -]?key|secret(?:[_ -]?key)?"
    r"|access[_ -]?token|auth[_ -]?token|密码|口令)[\"']?\s{0,3}(?:[:=：]|is|是)\s{0,3}"
    r"[\"'`]?([^\s\"'`,;，。()\[\]{}<>]{8,200})"
)
_IN_ADDRESS = re.compile(r"(?<=://)([^\s/:@{}<>$]{1,100}:[^\s/:@{}<>$]{3,200})(?=@[A-Za-z0-9.\[-])")
_SECRETIVE = re.compile(r"(?=.*[A-Za-z])(?=.*\d)[^.]*$|(?=.*\d)(?=.*[A-Za-z])(?=.*[!@#$%^&*+=/-]).*$")


def credentials(text: str) -> Iterator[Finding]:
    """Keys, tokens, private keys and passwords."""
    for match in (*_PRIVATE_KEY.finditer(text), *_KEYS.finditer(text)):
        yield _finding(match, 0)
    for match in (*_BEARER.finditer(text), *_IN_ADDRESS.finditer(text)):
        yield _finding(match, 1)
    for match in _NAMED.finditer(text):
        # A variable's name or a sentence is no secret: what is one has letters and digits.
        if _SECRETIVE.match(match[1]):
            yield _finding(match, 1)


def _finding(match: re.Match[str], group: int) -> Finding:
    start, end = match.span(group)
    return Finding(kind=Kind.CREDENTIAL, start=start, end=end, value=match[group])
