"""Which addresses a webhook may reach: public ones, and the networks that the site's operator listed.

Whoever may enter a URL must not reach through us what only we can reach (server-side request forgery). A
name is resolved here, every address it has must pass, and the sender connects to an address that passed:
a name that changes its mind between check and connection gains nothing.
"""

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from accounts.errors import Invalid

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

TRANSLATED = tuple(
    ipaddress.ip_network(network)
    for network in (
        "::/96",
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "192.88.99.0/24",
        "fec0::/10",
    )
)
"""IPv4 in the clothes of IPv6 (compatible, NAT64, 6to4, Teredo), which could carry a private address; and
the site-local addresses of old."""


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What the site's operator allows."""

    networks: tuple[Network, ...] = ()
    """Networks that are reached although they are not public."""
    ports: tuple[int, ...] = (80, 443)


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where to connect, and what to say there."""

    scheme: str
    host: str
    """For TLS and the Host header."""
    port: int
    path: str
    addresses: tuple[str, ...] = ()
    """Checked; connect to nothing else."""


def parse_url(url: str, rules: Rules) -> Target:
    """The URL's parts, without asking any name server. Raises Invalid with what to change."""
    if (
        len(url) > 500
        or not url.isascii()
        or any(character <= " " or character == "\x7f" for character in url)
    ):
        raise Invalid("The URL must be plain ASCII without spaces, of at most 500 characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Invalid("This is no URL: give one like https://example.org/hook.") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Invalid("The URL must begin with https:// or http:// and name a host.")
    if "@" in parts.netloc:
        raise Invalid("The URL must not hold a user name or password: deliveries are signed instead.")
    port = (443 if parts.scheme == "https" else 80) if port is None else port
    if port not in rules.ports:
        allowed = ", ".join(str(each) for each in rules.ports)
        raise Invalid(
            f"Port {port} is not open to webhooks: use one of {allowed}, or ask the site's operator."
        )
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(scheme=parts.scheme, host=parts.hostname, port=port, path=path)


def checked(url: str, rules: Rules) -> Target:
    """The URL's parts with its addresses, all of them allowed. Raises Invalid."""
    target = parse_url(url, rules)
    try:
        found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Invalid(f"The name {target.host} is not known: check the URL.") from error
    addresses = tuple(dict.fromkeys(str(entry[4][0]) for entry in found))
    for address in addresses:
        # A zone (`fe80::1%eth0`) is of an address that is refused anyway.
        if not is_allowed(ipaddress.ip_address(address.partition("%")[0]), rules.networks):
            raise Invalid(f"{target.host} has an address that is not public: webhooks must not reach it.")
    return Target(
        scheme=target.scheme, host=target.host, port=target.port, path=target.path, addresses=addresses
    )


def is_allowed(address: Address, networks: Sequence[Network] = ()) -> bool:
    """Whether the address is public, or in one of the listed networks."""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address in network for network in networks if network.version == address.version):
        return True
    if any(address in network for network in TRANSLATED if network.version == address.version):
        return False
    is_special = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    return address.is_global and not is_special
