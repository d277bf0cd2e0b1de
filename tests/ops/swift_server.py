"""A real S3 server for the tests: OpenStack Swift with its S3 API, one disk, on loopback, in a folder."""

import getpass
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from deploy.local.broker import free_port
from tests.ops.slurm_cluster import wait_until

PYTHON = "/usr/bin/python3"
"""Debian's, which has Debian's packages."""
BUCKET = "accord"
ACCESS_KEY, SECRET_KEY = "test:tester", "testing"

RUN = """
import sys
from swift.common import utils
utils.set_swift_dir(sys.argv[1])
from swift.common.wsgi import run_wsgi
sys.exit(run_wsgi(f"{sys.argv[1]}/{sys.argv[2]}.conf", f"{sys.argv[2]}-server"))
"""
RINGS = """
import sys
from swift.common.ring import RingBuilder
for name, port in zip(("account", "container", "object"), map(int, sys.argv[2:])):
    builder = RingBuilder(4, 1, 0)
    device = {"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "disk"}
    device |= {"replication_ip": "127.0.0.1", "replication_port": port, "weight": 1.0, "meta": ""}
    builder.add_dev(device)
    builder.rebalance()
    builder.get_ring().save(f"{sys.argv[1]}/{name}.ring.gz")
"""
PIPELINE = "catch_errors gatekeeper cache listing_formats bulk s3api tempauth copy slo dlo proxy-server"
OPTIONS = {
    "cache": ("memcache", "memcache_servers = 127.0.0.1:9"),
    "s3api": ("s3api", "location = us-east-1"),
    "tempauth": ("tempauth", "user_test_tester = testing .admin"),
}


@contextmanager
def swift_server(folder: Path) -> Iterator[str]:
    """Start it; its address."""
    ports = {name: free_port() for name in ("account", "container", "object", "proxy")}
    (folder / "devices" / "disk").mkdir(parents=True)
    (folder / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_suffix = accord\n[storage-policy:0]\nname = one\ndefault = yes\n"
    )
    numbers = [str(ports[name]) for name in ("account", "container", "object")]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    subprocess.run([PYTHON, "-c", RINGS, str(folder), *numbers], env=environment, check=True)
    for name, port in ports.items():
        (folder / f"{name}.conf").write_text(_config(folder, name, port))
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        with (folder / "daemons.txt").open("wb") as log:
            for name in ports:
                daemons.append(
                    subprocess.Popen(
                        [PYTHON, "-c", RUN, str(folder), name],
                        env=environment,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
        url = f"http://127.0.0.1:{ports['proxy']}"
        wait_until(lambda: _answers(url))
        yield url
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(10)


def _config(folder: Path, name: str, port: int) -> str:
    head = (
        f"[DEFAULT]\nbind_ip = 127.0.0.1\nbind_port = {port}\nswift_dir = {folder}\nworkers = 0\n"
        f"devices = {folder}/devices\nmount_check = false\nuser = {getpass.getuser()}\n"
    )
    if name != "proxy":
        return (
            f"{head}[pipeline:main]\npipeline = {name}-server\n[app:{name}-server]\nuse = egg:swift#{name}\n"
        )
    filters = ""
    for each in PIPELINE.split()[:-1]:
        program, option = OPTIONS.get(each, (each, ""))
        filters += f"[filter:{each}]\nuse = egg:swift#{program}\n{option}\n"
    return (
        f"{head}[pipeline:main]\npipeline = {PIPELINE}\n{filters}"
        "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
    )


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code < 500
    except httpx.HTTPError:
        return False
