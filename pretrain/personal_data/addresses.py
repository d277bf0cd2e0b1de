"""Detectors of addresses on the net: e-mail, IPv4 and IPv6."""

import ipaddress
import re
from collections.abc import Iterator

from pretrain.personal_data.finding import Finding, Kind

# ASCII alone bounds it: in Chinese text no space stands before an address.
_EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+-])([A-Za-z0-9](?:[A-Za-z0-9._%+'-]{0,62}[A-Za-z0-9_%+-])?)"
    r"@((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24})(?![A-Za-z0-9@-])"
)
_NOBODY = frozenset({"git", "noreply", "no-reply"})
_IPV4 = re.compile(r"(?<![\w.-])\d{1,3}(?:\.\d{1,3}){3}(?!\.?\w)(/\d{1,2})?")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])(/\d{1,3})?")
_SPEAKS_OF_IP = re.compile(r"(?i)\bip(?:v4|v6)?\b|address|host|server|ping|dns|ssh|gateway|router|://|地址")
_VERSION = re.compile(r"(?i)(?:\bv|version|release|firmware|build|版本)\W{0,3}$")
CONTEXT_CHARACTERS = 40
MAX_SECTION = 20
"""Four small numbers with dots are a section or a version, unless the text speaks of addresses."""


def emails(text: str) -> Iterator[Finding]:
    """E-mail addresses (the usual part of RFC 5322's), but for those of nobody such as git@."""
    for match in _EMAIL.finditer(text):
        if match[1].lower() not in _NOBODY and ".." not in match[1]:
            yield Finding(kind=Kind.EMAIL, start=match.start(), end=match.end(), value=match[0].lower())


def ip_addresses(text: str) -> Iterator[Finding]:
    """Addresses of hosts: not of networks, not masks, nor those that every machine has."""
    for match in _IPV4.finditer(text):
        before = text[max(0, match.start() - CONTEXT_CHARACTERS) : match.start()]
        if _VERSION.search(before):
            continue
        address = match[0].removesuffix(match[1] or "")
        small = all(int(part) <= MAX_SECTION for part in address.split("."))
        if (not small or _SPEAKS_OF_IP.search(before)) and _is_host(address, match[1]):
            yield _address(match, address)
    for match in _IPV6.finditer(text):
        address = match[0].removesuffix(match[1] or "")
        groups = [group for group in address.split(":") if group]
        # `a::b` is also a name in C++.
        if len(groups) >= 3 and re.search(r"\d", address) and _is_host(address, match[1]):
            yield _address(match, address)


def _is_host(address: str, prefix: str | None) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
        if prefix is not None and ipaddress.ip_interface(address + prefix).network.network_address == parsed:
            return False
    except ValueError:
        return False
    is_mask = address.startswith("255.") or address.endswith(".255.255")
    return not (is_mask or parsed.is_loopback or parsed.is_unspecified or parsed.is_multicast)


def _address(match: re.Match[str], address: str) -> Finding:
    value = str(ipaddress.ip_address(address))
    return Finding(kind=Kind.IP, start=match.start(), end=match.start() + len(address), value=value)
