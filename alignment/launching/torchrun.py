"""Programs over a list of hosts: torch's launcher on each, started through ssh, ended with their worker."""

import json
import secrets
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from alignment.endings import oom_kills
from alignment.launching.commands import node_command
from alignment.launching.interface import Work
from alignment.launching.local import LocalJob
from alignment.launching.options import options_for
from alignment.program_process import leftovers_end, process_start
from pretrain import across_hosts, keeper
from pretrain.run import write_atomically

COMMANDS = "hosts.json"
HOST = "{host}"
FIRST_PORT, NUM_PORTS = 20000, 10000
"""The hosts meet at one of these, below those that the kernel gives out."""
REMOTE_SHARE = 0.75
"""Of the program's grace, what a host has: the worker's own keeper must see all of them end."""
KEPT_VARIABLES = ("OMP_NUM_THREADS", "HF_HUB_OFFLINE", "TOKENIZERS_PARALLELISM", "PYTHONUNBUFFERED")
"""Of the program's environment: all else is the host's own."""


class TorchrunOptions(BaseModel):
    """What a deployment says of its hosts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    hosts: tuple[str, ...] = Field(min_length=1)
    """Names that all of them know each other by; they meet at the first."""
    shell: tuple[str, ...] = ("ssh", "-o", "BatchMode=yes", "-o", "ServerAliveInterval=15", HOST)
    """What runs a shell's words on {host}; its standard input must be the words' own."""


class TorchrunLauncher:
    """Starts programs on several hosts from this one."""

    def __init__(self, options: Path | None, repository: Path, kinds: tuple[str, ...]) -> None:
        self._options = options
        self._repository = repository
        self._kinds = kinds

    def find(self, work: Work) -> None:
        """None: with its worker a program has died, and what is left of it here is ended."""
        leftovers_end(work.folder)

    def start(self, work: Work) -> LocalJob:
        """Start the program on all hosts. Raises LaunchError."""
        options = options_for(work, self._options, TorchrunOptions, kinds=self._kinds)
        path = work.folder.path / COMMANDS
        commands = host_commands(
            work,
            options,
            repository=self._repository,
            port=FIRST_PORT + secrets.randbelow(NUM_PORTS),
            meeting=secrets.token_hex(8),
        )
        write_atomically(path, json.dumps(commands, indent=2))
        kills_before = oom_kills()
        process = process_start(
            [sys.executable, "-S", "-E", across_hosts.__file__, str(path)],
            log=work.folder.path / "log.txt",
            environment=work.environment,
            grace=work.grace,
            silence=work.silence,
        )
        return LocalJob(process, work.folder, kills_before)

    def end(self, work: Work, handle: str) -> None:
        """No program of this launcher has a handle."""


def host_commands(
    work: Work, options: TorchrunOptions, *, repository: Path, port: int, meeting: str
) -> list[list[str]]:
    """One command for each host. Raises LaunchError where processes cannot be shared out evenly."""
    command = node_command(
        work, nodes=len(options.hosts), endpoint=f"{options.hosts[0]}:{port}", meeting=meeting
    )
    words = _words(work, command, repository)
    return [[part.replace(HOST, host) for part in options.shell] + [words] for host in options.hosts]


def _words(work: Work, command: Sequence[str], repository: Path) -> str:
    """A shell's words: the command in its folder, under a keeper, with its variables."""
    variables = [f"{name}={work.environment[name]}" for name in KEPT_VARIABLES if name in work.environment]
    grace = str(REMOTE_SHARE * work.grace)
    kept = [sys.executable, "-S", "-E", keeper.__file__, "--grace", grace, *command]
    return f"cd {shlex.quote(str(repository))} && exec {shlex.join(['env', *variables, *kept])}"
