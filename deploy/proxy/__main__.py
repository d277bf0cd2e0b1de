"""Writes nginx's configuration: `python -m deploy.proxy --host accord.example --certificate F --key F …`.

Comes in: names, files and addresses. Goes out: on standard output, a file for nginx's `http` block.
"""

import argparse
import re
import sys
from pathlib import Path

TEMPLATE = Path(__file__).with_name("site.conf.template")
VARIABLE = re.compile(r"\$\{(ACCORD_\w+)\}")
SAFE = re.compile(r"[\w./:\[\]*-]*")
"""What a value may be made of: nothing that ends a directive."""


def site_conf(values: dict[str, str]) -> str:
    """The template with its variables. Raises ValueError for one that is missing or has other characters."""

    def put(match: re.Match[str]) -> str:
        value = values.get(match[1])
        if value is None or not SAFE.fullmatch(value):
            raise ValueError(f"{match[1]} cannot be {value!r}")
        return value

    return VARIABLE.sub(put, TEMPLATE.read_text())


def main() -> int:
    """Write it."""
    parser = argparse.ArgumentParser(prog="python -m deploy.proxy", description=__doc__)
    parser.add_argument("--host", required=True, help="the site's name")
    parser.add_argument("--certificate", required=True, type=Path, help="with its chain, PEM")
    parser.add_argument("--key", required=True, type=Path, help="PEM")
    parser.add_argument("--static", required=True, type=Path, help="what manage.py collectstatic filled")
    parser.add_argument("--upstream", default="127.0.0.1:8000", help="the web server")
    parser.add_argument("--http", default="80", help="port, or address and port")
    parser.add_argument("--https", default="443")
    told = parser.parse_args()
    port = told.https.rpartition(":")[2]
    values = {
        "ACCORD_HOST": told.host,
        "ACCORD_CERTIFICATE": str(told.certificate.resolve()),
        "ACCORD_KEY": str(told.key.resolve()),
        "ACCORD_STATIC": str(told.static.resolve()),
        "ACCORD_UPSTREAM": told.upstream,
        "ACCORD_HTTP": told.http,
        "ACCORD_HTTPS": told.https,
        "ACCORD_PORT_SHOWN": "" if port == "443" else f":{port}",
    }
    try:
        sys.stdout.write(site_conf(values))
    except ValueError as error:
        sys.stderr.write(f"{error}: use letters, digits and . / : - _ alone.\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
