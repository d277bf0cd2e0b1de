"""The web server behind a proxy: `python -m deploy.production.web --listen 0.0.0.0:8000 --trust 10.0.0.0/8`.

Several processes share the socket and count requests together. The client's address and the scheme are
believed from the proxies that `--trust` names and from nobody else.
"""

import argparse
import shutil
import sys
import tempfile
from ipaddress import ip_network
from pathlib import Path

import uvicorn

from accord.env import SettingsError, count_together, read_environment

SECONDS_TO_FINISH = 20
"""How long open requests may go on after SIGTERM; event streams end at once and are opened anew elsewhere."""


def main() -> int:
    """Serve until SIGTERM; returns the exit status."""
    arguments = parsed()
    try:
        read_environment()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    host, _, port = arguments.listen.rpartition(":")
    counts = Path(tempfile.mkdtemp(prefix="accord-metrics-"))
    count_together(counts)
    try:
        uvicorn.run(
            "accord.asgi:application",
            host=host.strip("[]"),
            port=int(port),
            workers=arguments.processes,
            proxy_headers=bool(arguments.trust),
            forwarded_allow_ips=arguments.trust,
            lifespan="off",
            access_log=False,
            server_header=False,
            log_config=None,
            timeout_graceful_shutdown=SECONDS_TO_FINISH,
        )
    finally:
        shutil.rmtree(counts, ignore_errors=True)
    return 0


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m deploy.production.web", description=__doc__)
    parser.add_argument("--listen", type=listening, default="127.0.0.1:8000", metavar="ADDRESS:PORT")
    parser.add_argument("--processes", type=int, default=2, metavar="N", help="one request at a time in each")
    parser.add_argument(
        "--trust",
        type=network,
        action="append",
        default=[],
        metavar="NETWORK",
        help="the proxies' addresses; may be given several times",
    )
    return parser.parse_args()


def listening(value: str) -> str:
    """An address and a port."""
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{value!r} is no address and port such as 0.0.0.0:8000")
    return value


def network(value: str) -> str:
    """A network, as uvicorn reads it."""
    try:
        return str(ip_network(value))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
