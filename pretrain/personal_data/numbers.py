"""Detectors of numbers that name a person, an account or a telephone.

A number with a check in itself is believed by its check. A telephone number has none: it is believed by
its form where that is unmistakable (a plus and the country, an area code in brackets or with hyphens, a
Chinese mobile), else only right after a word such as "phone".
"""

import re
from collections.abc import Iterator

from pretrain.personal_data.checksums import IBAN_LENGTHS, is_card, is_cn_id, is_iban, is_us_ssn
from pretrain.personal_data.finding import Finding, Kind

_IBAN_START = re.compile(r"(?<![A-Za-z0-9])([A-Z]{2})\d{2}[ ]?[A-Z0-9]{4}")
_CARD = re.compile(r"(?<![\d.,$€£¥-])\d(?:\d{12,18}|[\d -]{14,22})(?<=\d)(?![\d]|[.,]\d)")
_CARD_GROUPS = re.compile(
    r"\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|\d{4}([ -])\d{6}\2\d{4,5}"
)
_CN_ID = re.compile(r"(?<!\d)\d{17}[\dXx](?![\dA-Za-z])")
_SSN = re.compile(r"(?<![\d-])(\d{3})-(\d{2})-(\d{4})(?![\d-])")
_SSN_NAMED = re.compile(
    r"(?i)(?:\bssn|social security(?: number| no\.?)?)\W{0,5}(?:is\W{0,3})?(\d{3}[ ]?\d{2}[ ]?\d{4})(?!\d)"
)

_INTERNATIONAL = re.compile(r"(?<![\w+)])\+[1-9](?:[ ().\-–/]{0,2}\d){7,14}(?!\d)")
_ZEROS = re.compile(r"(?<![\w.,])00[1-9]\d{0,2}[ -](?:[ ()\-/]{0,2}\d){7,12}(?!\d)")
_AMERICAN = re.compile(
    r"(?<![\w.,+\-/$])(?:1[-. ])?(?:\([2-9]\d{2}\)[ ]?[2-9]\d{2}[-. ]\d{4}"
    r"|[2-9]\d{2}([-.])[2-9]\d{2}\1\d{4})(?![\w-]|\.\d)"
)
_CHINESE = re.compile(r"(?<![\d.,+=*/^$¥-])1[3-9]\d(?:\d{8}|([ -])\d{4}\1\d{4})(?![\d%]|[.,]\d)")
_CHINESE_SCRIPT = re.compile(r"[\u4e00-\u9fff]")
_NAMED = re.compile(
    r"(?i)(?:\b(?:tele)?phones?|\btel|\bmobile|\bcell(?:phone)?|\bfax|\bwhatsapp|\bsms"
    r"|\bcall (?:me|us|him|her|them)"
    r"|\btelefon\w{0,6}|\bhandy|\btéléphone|\bteléfono|\bmóvil|电话|手机|联系方式|號碼)"
    r"(?:[ ]?(?:numbers?|no\.?|nummer|numéro|número|号码|号))?[^\d\n+]{0,12}?"
    r"((?:\((?=[\d ]{1,6}\)))?\d(?:[ ().\-/]{0,2}\d){6,14})(?!\d|[.,]\d)"
)


def ibans(text: str) -> Iterator[Finding]:
    """International bank account numbers, with or without spaces."""
    for match in _IBAN_START.finditer(text):
        length = IBAN_LENGTHS.get(match[1])
        end, taken = match.start(), ""
        while length is not None and len(taken) < length and end < len(text):
            character = text[end]
            if character.isascii() and (character.isdigit() or character.isupper()):
                taken += character
            elif character != " " or text[end - 1] == " ":
                break
            end += 1
        follows = text[end : end + 1]
        if taken and is_iban(taken) and not (follows.isascii() and follows.isalnum()):
            yield Finding(kind=Kind.IBAN, start=match.start(), end=end, value=taken)


def cards(text: str) -> Iterator[Finding]:
    """Payment cards."""
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if _CARD_GROUPS.fullmatch(match[0]) and is_card(digits):
            yield _finding(Kind.CARD, match, 0)


def cn_ids(text: str) -> Iterator[Finding]:
    """Chinese identity numbers."""
    for match in _CN_ID.finditer(text):
        if is_cn_id(match[0]):
            yield Finding(kind=Kind.CN_ID, start=match.start(), end=match.end(), value=match[0].upper())


def us_ssns(text: str) -> Iterator[Finding]:
    """US social security numbers: with hyphens, or named so."""
    for match in _SSN.finditer(text):
        if is_us_ssn("".join(match.groups())):
            yield _finding(Kind.US_SSN, match, 0)
    for match in _SSN_NAMED.finditer(text):
        if is_us_ssn(match[1].replace(" ", "")):
            yield _finding(Kind.US_SSN, match, 1)


def phones(text: str) -> Iterator[Finding]:
    """Telephone numbers."""
    for pattern in (_INTERNATIONAL, _ZEROS, _AMERICAN):
        for match in pattern.finditer(text):
            yield _finding(Kind.PHONE, match, 0)
    is_chinese = _CHINESE_SCRIPT.search(text) is not None
    for match in _CHINESE.finditer(text):
        # Eleven digits on their own are any number, unless the text is Chinese.
        if is_chinese or match[1]:
            yield _finding(Kind.PHONE, match, 0)
    for match in _NAMED.finditer(text):
        yield _finding(Kind.PHONE, match, 1)


def _finding(kind: Kind, match: re.Match[str], group: int) -> Finding:
    start, end = match.span(group)
    return Finding(kind=kind, start=start, end=end, value=re.sub(r"\D", "", match[group]))
