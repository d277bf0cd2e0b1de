"""How a program is started on one machine or on several. Pure text."""

import json
import sys

from alignment.launching.interface import LaunchError, Work
from pretrain.failures import Failure
from pretrain.run import program_command


def node_command(
    work: Work, *, nodes: int, endpoint: str, meeting: str, python: str = sys.executable
) -> list[str]:
    """What each of `nodes` machines starts. Where there are several, torch's launcher meets at `endpoint`
    (host:port) under the name `meeting`.

    Raises LaunchError where the recipe's processes cannot be shared out evenly.
    """
    if nodes == 1:
        return [python, *program_command(work.module, work.folder)[1:]]
    num_processes = int(json.loads(work.folder.config_path.read_text()).get("num_processes", 1))
    if num_processes % nodes:
        raise LaunchError(
            Failure(
                sentence=f"{num_processes} processes cannot be shared out evenly among {nodes} machines: let "
                "num_processes in the recipe be a multiple of nodes in LAUNCHER_OPTIONS, then retry."
            )
        )
    return [
        *(python, "-m", "torch.distributed.run"),
        *("--nnodes", str(nodes), "--nproc-per-node", str(num_processes // nodes)),
        *("--rdzv-backend", "c10d", "--rdzv-endpoint", endpoint, "--rdzv-id", meeting),
        *("-m", work.module, str(work.folder.config_path)),
    ]
