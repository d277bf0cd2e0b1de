"""The only reader of the environment: what a deployment may set, checked once and typed.

`DATABASE_URL` and `REDIS_URL` name the servers. Without them the local stack's own are used while it
runs: it leaves their addresses in `var/stack.json`.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from accounts.oidc_provider import ROLES, OidcProvider, oidc_provider

REPOSITORY = Path(__file__).resolve().parents[2]


LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
RETAINED = ("logs", "optimizer", "candidates", "runs")
LAUNCHERS = ("local", "torchrun", "slurm", "kubernetes")
MAIL_PORTS = {"smtp": 25, "smtp+tls": 587, "smtps": 465}


class SettingsError(Exception):
    """The environment lacks something or holds something wrong; the sentence says what to set."""


@dataclass(frozen=True, kw_only=True)
class MailServer:
    """Who takes e-mails; without a host nothing is sent."""

    host: str = ""
    port: int = 25
    user: str = ""
    password: str = ""
    starttls: bool = False
    tls: bool = False
    sender: str = "accord@localhost"


@dataclass(frozen=True, kw_only=True)
class Price:
    """An amount of money."""

    amount: float
    currency: str


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What the settings are made of."""

    database_url: str
    """`postgresql://user:password@host:port/name`, or a socket folder as `?host=/path`."""
    redis_url: str
    """Broker and bus: Redis or Valkey."""
    secret_key: str
    """Signs sessions and tokens of forms: whoever has it can be anybody."""
    var: Path
    """Where run folders, checkpoints, logs and the local stack's data live."""
    debug: bool
    """Errors in full on the page: for development alone."""
    allowed_hosts: tuple[str, ...]
    """Names that the site answers to; any beyond this machine want a decision on HTTPS."""
    trusted_origins: tuple[str, ...]
    """Origins (`https://accord.example`) that forms may be sent from, behind a proxy."""
    https: bool
    """Cookies only over HTTPS, and HSTS."""
    trusted_proxies: int
    """How many proxies of one's own stand before the site: so many of the last addresses that
    X-Forwarded-For names are believed, and with 0 none."""
    oidc: OidcProvider | None
    """The OpenID provider that people may sign in with."""
    require_second_factor: tuple[str, ...]
    """Roles whose people must have a second factor."""
    judge_key_file: Path | None
    """A file with the API key of the judge that recipes name: only the program that asks reads it."""
    import_max_bytes: int
    """How many bytes one imported file or folder may hold, unpacked."""
    import_max_rows: int
    """How many rows one imported file or folder may hold."""
    webhook_networks: tuple[IPv4Network | IPv6Network, ...]
    """Networks (`10.1.0.0/16`) that webhooks may reach although they are not public."""
    webhook_ports: tuple[int, ...]
    """Ports that webhooks may reach."""
    program_lease_seconds: int
    """How long a program is its worker's after the worker's last sign of life."""
    program_attempts: int
    """How often a program may lose its worker before its round fails."""
    drain_seconds: int
    """How long the programs of a worker that is asked to end may go on."""
    fork_programs: bool
    """Whether programs are forked from a server that has imported torch, instead of each starting anew."""
    launcher: str
    """Where programs run: `local`, under the worker itself, or as jobs of a cluster by `torchrun`, `slurm` or
    `kubernetes`."""
    launcher_options: Path | None
    """A TOML file of what the cluster is asked for, by kind of stage."""
    artifacts: str
    """Where finished checkpoints are sent, `s3://bucket/prefix`; empty for nowhere."""
    mail: MailServer
    """Who takes e-mails, `smtp+tls://user:password@host:587` (or smtp://, smtps://), and their sender."""
    mlflow_uri: str
    """An MLflow tracking server that gets the metrics of runs; empty for none."""
    wandb_project: str
    """The project of Weights & Biases that gets them; empty for none."""
    site_url: str
    """Where people reach the site, for links in e-mails: `https://accord.example`."""
    metrics_folder: str | None
    """Where this machine's web processes count requests together (prometheus_client's own variable)."""
    log_format: Literal["line", "json"]
    """Log lines as text for people, or as JSON for collectors of logs, then with one for each request."""
    machine_hour_price: Price | None
    """What an hour of the machines that rounds run on costs, for forecasts."""
    retention: Mapping[str, int | None]
    """Days after a round's end for which files of a kind stay; for ever where none is named."""


def settings_module_default() -> None:
    """Name the settings for Django unless the caller's environment names others."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "accord.settings")


def count_together(folder: Path) -> None:
    """Let the web processes that this one starts count their requests in one folder."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def var_folder() -> Path:
    """Where run folders, checkpoints, logs and the local stack's data live: ACCORD_VAR, or `var`."""
    return Path(os.environ.get("ACCORD_VAR", REPOSITORY / "var")).resolve()


def read_environment() -> Environment:
    """Read and check the environment. Raises SettingsError with what to do."""
    var = var_folder()
    stack = _running_stack(var)
    return Environment(
        database_url=_required("DATABASE_URL", stack),
        redis_url=_required("REDIS_URL", stack),
        secret_key=_secret_key(var),
        var=var,
        debug=_flag("DEBUG"),
        allowed_hosts=_allowed_hosts(),
        trusted_origins=_list("TRUSTED_ORIGINS"),
        https=_flag("HTTPS"),
        trusted_proxies=_number("TRUSTED_PROXIES", 0, least=0),
        oidc=_oidc(),
        require_second_factor=_roles("REQUIRE_SECOND_FACTOR"),
        judge_key_file=_file("JUDGE_KEY_FILE"),
        import_max_bytes=_number("IMPORT_MAX_BYTES", 16 * 1024**3),
        import_max_rows=_number("IMPORT_MAX_ROWS", 10_000_000),
        webhook_networks=_networks("WEBHOOK_NETWORKS"),
        webhook_ports=_ports("WEBHOOK_PORTS"),
        program_lease_seconds=_number("PROGRAM_LEASE_SECONDS", 60),
        program_attempts=_number("PROGRAM_ATTEMPTS", 3),
        drain_seconds=_number("DRAIN_SECONDS", 0, least=0),
        fork_programs=_flag("FORK_PROGRAMS", default="1"),
        launcher=_choice("LAUNCHER", LAUNCHERS),
        launcher_options=_file("LAUNCHER_OPTIONS"),
        artifacts=_bucket("ARTIFACTS"),
        mlflow_uri=os.environ.get("MLFLOW_TRACKING_URI", ""),
        wandb_project=os.environ.get("WANDB_PROJECT", ""),
        mail=_mail("EMAIL_URL", "EMAIL_FROM"),
        site_url=(os.environ.get("SITE_URL") or next(iter(_list("TRUSTED_ORIGINS")), "")).rstrip("/"),
        metrics_folder=os.environ.get("PROMETHEUS_MULTIPROC_DIR"),
        log_format=_log_format("LOG_FORMAT"),
        machine_hour_price=_price("MACHINE_HOUR_PRICE"),
        retention={kind: _days(f"RETAIN_{kind.upper()}_DAYS") for kind in RETAINED},
    )


def database_settings(url: str) -> dict[str, str | int]:
    """Django's database settings from a URL. Raises SettingsError if it is no PostgreSQL URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise SettingsError(f"DATABASE_URL must begin with postgresql://, not {parts.scheme}://.")
    query = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.lstrip("/") or "accord",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.get("host", parts.hostname or ""),
        "PORT": str(query.get("port", parts.port or "")),
    }


def server_urls() -> tuple[str | None, str | None]:
    """DATABASE_URL and REDIS_URL as the environment names them; None where it does not."""
    return os.environ.get("DATABASE_URL") or None, os.environ.get("REDIS_URL") or None


def process_environment(values: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process of ours: this one's, changed by `values`."""
    return {**os.environ, **values}


def program_environment(*, num_threads: int) -> dict[str, str]:
    """The environment of a training or sampling program: ours, without secrets, with its threads.

    How few arenas a worker's memory has is the worker's own affair: programs have their threads at work.
    """
    left_out = {"SECRET_KEY", "DATABASE_URL", "REDIS_URL", "EMAIL_URL", "WANDB_API_KEY", "MALLOC_ARENA_MAX"}
    kept = {name: value for name, value in os.environ.items() if name not in left_out}
    return {
        **kept,
        "OMP_NUM_THREADS": str(num_threads),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONUNBUFFERED": "1",
    }


def _running_stack(var: Path) -> dict[str, str]:
    path = var / "stack.json"
    if not path.exists():
        return {}
    stack = json.loads(path.read_text())
    return {"DATABASE_URL": stack["database_url"], "REDIS_URL": stack["redis_url"]}


def _required(name: str, stack: dict[str, str]) -> str:
    value = os.environ.get(name) or stack.get(name)
    if not value:
        raise SettingsError(f"{name} is not set and no local stack is running: set it, or run `make serve`.")
    return value


def _secret_key(var: Path) -> str:
    value = os.environ.get("SECRET_KEY")
    if value:
        return value
    path = var / "secret_key"
    if not path.exists():
        raise SettingsError("SECRET_KEY is not set: set it, or run `make serve`, which makes one.")
    return path.read_text().strip()


def _flag(name: str, default: str = "0") -> bool:
    value = os.environ.get(name, default).lower()
    if value not in ("0", "1", "true", "false"):
        raise SettingsError(f"{name} must be 0 or 1, not {value!r}.")
    return value in ("1", "true")


def _choice(name: str, choices: tuple[str, ...]) -> str:
    value = os.environ.get(name) or choices[0]
    if value not in choices:
        raise SettingsError(f"{name} must be one of {', '.join(choices)}, not {value!r}.")
    return value


def _bucket(name: str) -> str:
    value = os.environ.get(name, "").rstrip("/")
    if value and (not value.startswith("s3://") or not urlsplit(value).netloc):
        raise SettingsError(f"{name} must be like s3://bucket/prefix, not {value!r}.")
    return value


def _number(name: str, default: int, *, least: int = 1) -> int:
    value = os.environ.get(name) or str(default)
    if not value.isdecimal() or int(value) < least:
        raise SettingsError(f"{name} must be a whole number from {least} up, not {value!r}.")
    return int(value)


def _days(name: str) -> int | None:
    return _number(name, 1) if os.environ.get(name) else None


def _file(name: str) -> Path | None:
    value = os.environ.get(name)
    if not value:
        return None
    path = Path(value).resolve()
    if not path.is_file():
        raise SettingsError(f"{name} must name a file, and there is none at {path}.")
    return path


def _networks(name: str) -> tuple[IPv4Network | IPv6Network, ...]:
    try:
        return tuple(ip_network(part) for part in _list(name))
    except ValueError as error:
        raise SettingsError(f"{name} must list networks such as 10.1.0.0/16: {error}.") from error


def _ports(name: str) -> tuple[int, ...]:
    parts = _list(name) or ("80", "443")
    if not all(part.isdecimal() and 0 < int(part) < 65536 for part in parts):
        raise SettingsError(f"{name} must list ports from 1 to 65535 such as 443,8443.")
    return tuple(int(part) for part in parts)


def _mail(url_name: str, from_name: str) -> MailServer:
    url, sender = os.environ.get(url_name, ""), os.environ.get(from_name, "")
    if not url:
        return MailServer()
    parts = urlsplit(url)
    if parts.scheme not in MAIL_PORTS or not parts.hostname or "@" not in sender:
        raise SettingsError(
            f"{url_name} must be like smtp+tls://user:password@host:587 (or smtp://, smtps://), and "
            f"{from_name} the address that e-mails come from."
        )
    return MailServer(
        host=parts.hostname,
        port=parts.port or MAIL_PORTS[parts.scheme],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        starttls=parts.scheme == "smtp+tls",
        tls=parts.scheme == "smtps",
        sender=sender,
    )


def _oidc() -> OidcProvider | None:
    try:
        return oidc_provider(os.environ)
    except ValueError as error:
        raise SettingsError(str(error)) from error


def _roles(name: str) -> tuple[str, ...]:
    roles = _list(name)
    if not set(roles) <= set(ROLES):
        raise SettingsError(f"{name} must list roles ({', '.join(ROLES)}), not {', '.join(roles)}.")
    return roles


def _price(name: str) -> Price | None:
    value = os.environ.get(name)
    if not value:
        return None
    amount, _, currency = value.partition(" ")
    try:
        price = Price(amount=float(amount), currency=currency.strip())
    except ValueError as error:
        raise SettingsError(f"{name} must be an amount and a currency such as 2.40 EUR.") from error
    if not (0 <= price.amount < float("inf")):
        raise SettingsError(f"{name} cannot be {value!r}: an hour costs nothing or more.")
    return price


def _log_format(name: str) -> Literal["line", "json"]:
    match os.environ.get(name) or "line":
        case "line":
            return "line"
        case "json":
            return "json"
        case other:
            raise SettingsError(f"{name} must be line or json, not {other!r}.")


def _allowed_hosts() -> tuple[str, ...]:
    """Raises SettingsError where people elsewhere are let in and nobody has decided on TLS."""
    hosts = _list("ALLOWED_HOSTS") or LOOPBACK
    beyond = [host for host in hosts if host not in LOOPBACK]
    if beyond and not os.environ.get("HTTPS"):
        raise SettingsError(
            f"ALLOWED_HOSTS lets {beyond[0]} in and HTTPS is not set: set HTTPS=1 behind a proxy that speaks "
            "TLS, or HTTPS=0 to send passwords and judgements unencrypted."
        )
    return hosts


def _list(name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in os.environ.get(name, "").split(",") if part.strip())
