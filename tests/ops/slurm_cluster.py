"""A real Slurm for the tests: one controller, two machines that are this one, on loopback, in a folder."""

import getpass
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from deploy.local.broker import free_port

NODES = ("n1", "n2")
SECONDS = 45.0


class SlurmCluster:
    """A running cluster; commands find it by the variable SLURM_CONF."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "slurm.conf"

    def ask(self, *command: str) -> str:
        """What a command of Slurm prints."""
        environment = {**os.environ, "SLURM_CONF": str(self.config)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def shown(self, number: str) -> dict[str, str]:
        """What the controller says of a job."""
        return dict(re.findall(r"(\w+)=(\S*)", self.ask("scontrol", "show", "job", "--oneliner", number)))

    def running_number(self, *but: str) -> str:
        """The number of the job that runs, once there is one."""

        def running() -> list[str]:
            return [
                number
                for number in self.ask("squeue", "--noheader", "--states=RUNNING", "--format=%i").split()
                if number not in but
            ]

        wait_until(running)
        return running()[0]

    def begin_now(self, number: str) -> None:
        """Let a job that was queued again begin: Slurm makes it wait two minutes for its machines."""
        self.ask("scontrol", "update", f"JobId={number}", "StartTime=now")

    def bring_limit_near(self, number: str) -> None:
        """Leave a job that runs, for less than an hour, one to two minutes: limits are whole ones."""
        ran = self.ask("squeue", "--noheader", f"--jobs={number}", "--format=%M")
        limit = int(ran.split(":")[0]) + 2
        self.ask("scontrol", "update", f"JobId={number}", f"TimeLimit={limit}")

    def resume(self, node: str) -> None:
        """Take a machine that was given up back, if it has not come back by itself."""
        with suppress(subprocess.CalledProcessError):
            self.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")


@contextmanager
def slurm_cluster(folder: Path) -> Iterator[SlurmCluster]:
    """Start the cluster, and end it."""
    cluster = SlurmCluster(folder)
    host = subprocess.run(["hostname", "-s"], capture_output=True, text=True, check=True).stdout.strip()
    ports = [free_port() for _ in range(1 + len(NODES))]
    for name in ("state", "munge"):
        (folder / name).mkdir(mode=0o755)
    (folder / "munge" / "key").write_bytes(os.urandom(1024))
    (folder / "munge" / "key").chmod(0o400)
    machines = [
        f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 RealMemory=4000"
        for name, port in zip(NODES, ports[1:], strict=True)
    ]
    cluster.config.write_text(
        "\n".join(
            [
                "ClusterName=accord",
                f"SlurmctldHost={host}(127.0.0.1)",
                f"SlurmctldPort={ports[0]}",
                f"SlurmUser={getpass.getuser()}",
                f"SlurmdUser={getpass.getuser()}",
                f"StateSaveLocation={folder}/state",
                f"SlurmdSpoolDir={folder}/spool-%n",
                f"SlurmctldPidFile={folder}/slurmctld.pid",
                f"SlurmdPidFile={folder}/slurmd-%n.pid",
                "AuthType=auth/munge",
                f"AuthInfo=socket={folder}/munge/socket",
                "ProctrackType=proctrack/linuxproc",
                "TaskPlugin=task/none",
                "SelectType=select/cons_tres",
                "SelectTypeParameters=CR_Core",
                "JobAcctGatherType=jobacct_gather/none",
                "AccountingStorageType=accounting_storage/none",
                "MpiDefault=none",
                "SchedulerParameters=sched_interval=2,bf_interval=2",
                "ReturnToService=0",
                "KillWait=5",
                *machines,
                "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
                "",
            ]
        )
    )
    commands = [
        [
            *("munged", "--foreground", "--force"),
            *(f"--key-file={folder}/munge/key", f"--socket={folder}/munge/socket"),
            *(f"--pid-file={folder}/munge/pid", f"--seed-file={folder}/munge/seed"),
            f"--log-file={folder}/munge/log",
        ],
        ["slurmctld", "-D", "-f", str(cluster.config)],
        *(["slurmd", "-D", "-N", name, "-f", str(cluster.config)] for name in NODES),
    ]
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        with (folder / "daemons.txt").open("wb") as log:
            for command in commands:
                command[0] = shutil.which(command[0], path=f"{os.environ['PATH']}:/usr/sbin") or command[0]
                daemons.append(
                    subprocess.Popen(
                        command,
                        env={**os.environ, "SLURM_CONF": str(cluster.config)},
                        stdout=log,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                )
                if len(daemons) == 1:
                    wait_until((folder / "munge" / "socket").exists)
        wait_until(lambda: _num_idle(cluster) == len(NODES))
        yield cluster
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()


def _num_idle(cluster: SlurmCluster) -> int:
    try:
        return cluster.ask("sinfo", "--noheader", "--Node", "--format=%T").split().count("idle")
    except subprocess.CalledProcessError:  # the controller is on its way
        return 0


def wait_until(holds: Callable[[], object], seconds: float = SECONDS) -> None:
    """Come back when it holds."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)
