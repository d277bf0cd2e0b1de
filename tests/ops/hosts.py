"""Hosts of the tests: network namespaces of this machine on one bridge, each with its name and its processes.

A host's network can be cut: what it sends and what is sent to it vanishes, and nobody is told. They share the
disk, as machines of one deployment do. Only root can make them.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from accord.env import REPOSITORY

NETWORK = "10.213.77"
OURS = 254
"""The tests' own address in the network."""


def ip(*words: str) -> None:
    """One command of iproute2."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert done.returncode == 0, f"ip {' '.join(words)}: {done.stderr}"


@dataclass(kw_only=True)
class Host:
    """A machine, as far as its network, its name and its processes go."""

    name: str
    address: str
    bridge: str
    outside: str
    """Its end of the cable at the bridge."""
    space: str
    """The namespace."""
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def here(self, command: Sequence[str | Path]) -> list[str | Path]:
        """The command in the host's network alone."""
        return ["ip", "netns", "exec", self.space, *command]

    def start(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        """Run the command on the host, which sees no process but its own."""
        apart = ["unshare", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]
        named = ["sh", "-c", 'hostname "$0"; exec "$@"', self.name]
        with log.open("ab") as out:
            self.processes.append(
                subprocess.Popen(
                    self.here([*apart, *named, *command]),
                    env=dict(environment),
                    cwd=REPOSITORY,
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )

    def cut(self) -> None:
        """Pull the plug: packets vanish from now on."""
        ip("link", "set", self.outside, "nomaster")

    def join(self) -> None:
        """Plug it in again."""
        ip("link", "set", self.outside, "master", self.bridge)

    def stop(self) -> None:
        """End all of its processes: with the first one of a space of processes the others go."""
        for process in self.processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()


@contextmanager
def hosts(*names: str) -> Iterator[list[Host]]:
    """Hosts that reach each other and us; they are gone with all that ran on them when this ends."""
    tag = f"a{os.getpid()}"
    bridge = f"{tag}b"
    with ExitStack() as stack:
        ip("link", "add", bridge, "type", "bridge")
        stack.callback(ip, "link", "del", bridge)
        ip("addr", "add", f"{NETWORK}.{OURS}/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        found = []
        for number, name in enumerate(names, start=1):
            host = Host(
                name=name,
                address=f"{NETWORK}.{number}",
                bridge=bridge,
                outside=f"{tag}o{number}",
                space=f"{tag}n{number}",
            )
            ip("netns", "add", host.space)
            stack.callback(ip, "netns", "del", host.space)
            stack.callback(host.stop)
            inside = f"{tag}i{number}"
            ip("link", "add", host.outside, "type", "veth", "peer", "name", inside, "netns", host.space)
            ip("link", "set", host.outside, "up", "master", bridge)
            for words in (
                ("addr", "add", f"{host.address}/24", "dev", inside),
                ("link", "set", inside, "up"),
                ("link", "set", "lo", "up"),
            ):
                ip("-n", host.space, *words)
            found.append(host)
        yield found
