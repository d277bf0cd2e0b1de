"""Which addresses a judge may have. Its URL comes from a recipe, which people enter in the browser.

Judges on loopback and in private networks are usual: a model on one's own machine. Never one are link-local
addresses, where clouds keep the credentials of a machine (169.254.169.254), and those that are no single
machine's.
"""

import ipaddress
import socket
from urllib.parse import urlsplit

from pretrain.run import ProgramError

METADATA = tuple(map(ipaddress.ip_network, ("fd00:ec2::/32", "100.100.100.200/32", "168.63.129.16/32")))
"""Of clouds that keep credentials elsewhere (AWS over IPv6, Alibaba, Azure)."""


def check_outside(url: str) -> None:
    """Raise ProgramError where the URL leads, by any of its name's addresses, to what must not be asked."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise ProgramError(
            f"The judge's address {url[:100]!r} must be http(s)://host without user or password."
        )
    try:
        found = socket.getaddrinfo(parts.hostname, parts.port or 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return  # asked anyway, and told then: a name server may be away for a moment
    for entry in found:
        address = ipaddress.ip_address(str(entry[4][0]).partition("%")[0])
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        is_kept = address.is_link_local or address.is_multicast or address.is_unspecified
        if is_kept or any(address in network for network in METADATA if network.version == address.version):
            raise ProgramError(
                f"The judge's address {parts.hostname} is one where machines keep their own secrets: name "
                "another in the recipe."
            )
