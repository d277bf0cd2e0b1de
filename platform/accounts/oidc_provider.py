"""The OpenID provider that people may sign in with, as the site's operator names it. Pure.

Comes in: the environment's variables (OIDC_ISSUER and the others, docs/sign-in.md). Goes out: an
`OidcProvider`, or None where there is none; and the role that a provider's claims give.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
ROLES = ("annotator", "reviewer", "admin")
"""`accounts.models.Role`, from the least to the most."""
NEEDED = ("OIDC_ISSUER", "OIDC_CLIENT_ID", "OIDC_CLIENT_SECRET_FILE")
OPTIONAL = (
    *("OIDC_NAME", "OIDC_SCOPES", "OIDC_ROLE_CLAIM", "OIDC_ROLES", "OIDC_CREATE", "OIDC_SESSION_HOURS"),
)
LONGEST_ISSUER = 200
MOST_HOURS = 24 * 365

Claims = Mapping[str, Any]  # Any: JSON


@dataclass(frozen=True, kw_only=True)
class OidcProvider:
    """Who says who somebody is."""

    issuer: str
    """As the provider's discovery document has it, to the letter."""
    client_id: str
    secret_file: Path
    """Read at each login, so that a new secret needs no new start."""
    name: str
    """On the login page's button."""
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    role_claim: str = "groups"
    """The claim that holds groups; of one within another: `realm_access.roles`."""
    roles: Mapping[str, str] = field(default_factory=dict)
    """By group, the role it gives. Empty: roles are given here alone."""
    creates: bool = False
    """Whether people who are not known here get an account."""
    session_hours: int = 12
    """After which people are sent there again, so that the site learns who has lost a group or an account."""

    def secret(self) -> str:
        """The client's secret."""
        return self.secret_file.read_text().strip()

    def role(self, claims: Claims) -> str | None:
        """The highest role that the groups give, the lowest where they give none; None: not decided here."""
        if not self.roles:
            return None
        given = {self.roles[group] for group in groups_of(claims, self.role_claim) if group in self.roles}
        return max(given, key=ROLES.index, default=ROLES[0])

    def may_ask(self, url: str) -> bool:
        """Whether an address that the provider names is asked: by TLS, or where the issuer itself is."""
        asked, issuer = urlsplit(url), urlsplit(self.issuer)
        return asked.scheme == "https" or (
            asked.scheme == "http" == issuer.scheme and asked.hostname == issuer.hostname
        )


def groups_of(claims: Claims, name: str) -> list[str]:
    """The claim's texts: of a list each, of one text that; of anything else none."""
    value: Any = claims
    for part in [name] if name in claims else name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def oidc_provider(values: Mapping[str, str]) -> OidcProvider | None:
    """The provider that these variables name. Raises ValueError with what to set."""
    given = {name: values[name].strip() for name in (*NEEDED, *OPTIONAL) if values.get(name, "").strip()}
    if not given:
        return None
    missing = [name for name in NEEDED if name not in given]
    if missing:
        raise ValueError(
            f"{next(iter(given))} is set and {missing[0]} is not: set {', '.join(NEEDED)}, or none of them."
        )
    issuer = _issuer(given["OIDC_ISSUER"])
    return OidcProvider(
        issuer=issuer,
        client_id=given["OIDC_CLIENT_ID"],
        secret_file=_secret_file(given["OIDC_CLIENT_SECRET_FILE"]),
        name=given.get("OIDC_NAME") or urlsplit(issuer).hostname or issuer,
        scopes=_scopes(given.get("OIDC_SCOPES", "openid profile email")),
        role_claim=given.get("OIDC_ROLE_CLAIM", "groups"),
        roles=_roles(given.get("OIDC_ROLES", "")),
        creates=_flag(given.get("OIDC_CREATE", "0")),
        session_hours=_hours(given.get("OIDC_SESSION_HOURS", "12")),
    )


def _issuer(url: str) -> str:
    parts = urlsplit(url)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)
    if not is_safe or not parts.hostname or parts.query or parts.fragment or len(url) > LONGEST_ISSUER:
        raise ValueError(
            "OIDC_ISSUER must be like https://id.example.org/realm (http:// on this machine alone), not "
            f"{url!r}."
        )
    return url


def _secret_file(name: str) -> Path:
    path = Path(name).resolve()
    try:
        secret = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"OIDC_CLIENT_SECRET_FILE: {path} cannot be read: {error}.") from error
    if not secret:
        raise ValueError(f"OIDC_CLIENT_SECRET_FILE: {path} is empty: put the client's secret into it.")
    return path


def _scopes(text: str) -> tuple[str, ...]:
    scopes = tuple(text.split())
    if "openid" not in scopes:
        raise ValueError(
            f"OIDC_SCOPES must name openid and what else is wanted, such as email, not {text!r}."
        )
    return scopes


def _roles(text: str) -> dict[str, str]:
    roles: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        group, _, role = (each.strip() for each in part.rpartition("="))
        if not group or role not in ROLES:
            raise ValueError(
                f"OIDC_ROLES must be like accord-admins=admin,accord-reviewers=reviewer (roles: "
                f"{', '.join(ROLES)}), not {part!r}."
            )
        roles[group] = role
    return roles


def _flag(value: str) -> bool:
    if value.lower() not in ("0", "1", "true", "false"):
        raise ValueError(f"OIDC_CREATE must be 0 or 1, not {value!r}.")
    return value.lower() in ("1", "true")


def _hours(value: str) -> int:
    if not value.isdecimal() or not 1 <= int(value) <= MOST_HOURS:
        raise ValueError(f"OIDC_SESSION_HOURS must be a whole number from 1 to {MOST_HOURS}, not {value!r}.")
    return int(value)
