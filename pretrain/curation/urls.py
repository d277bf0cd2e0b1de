"""Addresses of pages: one form for all the ways of writing an address, and lists of domains. Pure."""

from collections.abc import Iterable
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from pretrain.run import ProgramError

TRACKING = ("utm_", "mc_", "pk_", "hsa_")
"""Beginnings of parameters that tell where a reader came from, not what the page is."""
TRACKING_NAMES = frozenset({"fbclid", "gclid", "dclid", "msclkid", "yclid", "igshid", "ref_src", "sessionid"})


def canonical_url(url: str) -> str:
    """The address without scheme, `www.`, default port, fragment, tracking and the slash at its end.

    What is no address is its own form, so that nothing is taken for the same by a failure to read it.
    """
    parts = split(url)
    if parts is None or not parts.hostname:
        return url.strip()
    host = parts.hostname.removeprefix("www.").rstrip(".")
    try:
        port = parts.port
    except ValueError:
        return url.strip()
    where = host if port in (None, 80, 443) else f"{host}:{port}"
    query = sorted(
        (name, value)
        for name, value in parse_qsl(parts.query, keep_blank_values=True)
        if name.lower() not in TRACKING_NAMES and not name.lower().startswith(TRACKING)
    )
    return where + parts.path.rstrip("/") + (f"?{urlencode(query)}" if query else "")


def host_of(url: str) -> str:
    """The host in lower case without `www.`, or nothing."""
    parts = split(url)
    host = parts.hostname if parts is not None else None
    return (host or "").removeprefix("www.").rstrip(".")


def split(url: str) -> SplitResult | None:
    """The parts of an address, or None where it has none."""
    address = url.strip()
    try:
        return urlsplit(address if "//" in address else f"//{address}")
    except ValueError:
        return None


class Domains:
    """A list of domains; a host is on it with all that ends in one of them after a dot."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(name for line in names if (name := domain_name(line)))

    def __len__(self) -> int:
        return len(self._names)

    def match(self, host: str) -> str | None:
        """The listed domain that the host is or belongs to."""
        labels = host.split(".")
        for start in range(len(labels)):
            domain = ".".join(labels[start:])
            if domain in self._names:
                return domain
        return None


def domain_name(line: str) -> str:
    """The domain in a line of a list; hosts files (`0.0.0.0 example.org`) and `#` comments are understood."""
    words = line.split("#", 1)[0].split()
    return words[-1].lower().removeprefix("*.").removeprefix("www.").strip(".") if words else ""


def read_lines(paths: Iterable[Path]) -> list[str]:
    """All lines of the lists. Raises ProgramError where one cannot be read."""
    lines: list[str] = []
    for path in paths:
        try:
            lines += path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ProgramError(f"The list {path} cannot be read: give a UTF-8 file, one a line.") from error
    return lines
