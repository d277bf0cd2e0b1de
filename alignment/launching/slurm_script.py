"""The script that a program's run folder hands to sbatch. Pure text.

Slurm tells the script before the time limit (SIGUSR1): the program is asked to save and end, and the job is
queued again. SIGTERM, which comes with scancel and before a preemption, is passed on to the program and
nothing more: whether the job comes back is then Slurm's to say. Two signals, for a script that queued itself
again on both could not be cancelled.
"""

import shlex
import sys
from pathlib import Path

from pydantic import Field

from alignment.launching.commands import node_command
from alignment.launching.interface import Work
from alignment.launching.options import Options, Word

SCRIPT = "job.sbatch"
FIRST_PORT, NUM_PORTS = 20000, 20000
"""A job's machines meet at a port that its number chooses, below those that the kernel gives out."""
TIDY = "import sys; from pathlib import Path; from pretrain.run import RunFolder; "
TIDY += "RunFolder(Path(sys.argv[1])).tidy()"


class SlurmOptions(Options):
    """What sbatch is told."""

    partition: Word = ""
    account: Word = ""
    qos: Word = ""
    constraint: Word = ""
    lines: tuple[str, ...] = Field(default=())
    """Further options of sbatch, one each, such as "--exclusive"."""


def slurm_script(work: Work, options: SlurmOptions, *, name: str, repository: Path) -> str:
    """The whole script of the job `name`, to be started in `repository`."""
    log = work.folder.path / "log.txt"
    wanted = [
        f"--job-name={name}",
        f"--nodes={options.nodes}",
        "--ntasks-per-node=1",
        f"--output={log}",
        f"--error={log}",
        "--open-mode=append",
        "--requeue",
        f"--signal=B:USR1@{options.save_seconds}",
        *(f"--{option}={value}" for option, value in _asked_for(options) if value),
        *options.lines,
    ]
    return "\n".join(
        [
            "#!/bin/sh",
            *(f"#SBATCH {line}" for line in wanted),
            "set -u",
            f"cd {shlex.quote(str(repository))} || exit 1",
            *_body(work, options),
            "",
        ]
    )


def _asked_for(options: SlurmOptions) -> list[tuple[str, object]]:
    return [
        ("gpus-per-node", options.gpus),
        ("cpus-per-task", options.cpus),
        ("mem", options.memory_gib and f"{options.memory_gib}G"),
        ("time", options.minutes),
        ("partition", options.partition),
        ("account", options.account),
        ("qos", options.qos),
        ("constraint", options.constraint),
    ]


def _body(work: Work, options: SlurmOptions) -> list[str]:
    folder = shlex.quote(str(work.folder.path))
    command = node_command(work, nodes=options.nodes, endpoint="ENDPOINT", meeting="MEETING")
    started = shlex.join(command)
    ask = 'kill -TERM "$program" 2>/dev/null'
    meet: list[str] = []
    if options.nodes > 1:
        meet = [
            'first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
            'address=$(scontrol show node --oneliner "$first" | sed "s/.* NodeAddr=\\([^ ]*\\).*/\\1/")',
            f"endpoint=$address:$(({FIRST_PORT} + SLURM_JOB_ID % {NUM_PORTS}))",
        ]
        started = started.replace("ENDPOINT", '"$endpoint"').replace(
            "MEETING", '"$SLURM_JOB_ID-${SLURM_RESTART_COUNT:-0}"'
        )
        started = f"srun --ntasks-per-node=1 --kill-on-bad-exit=1 {started}"
        # srun itself would kill at once; this asks the tasks on all machines.
        ask = 'scancel --signal=TERM "$SLURM_JOB_ID"'
    return [
        f"if [ -e {folder}/result.json ]; then exit 0; fi",
        "# Of an earlier start of this job, which may have been killed.",
        f"{shlex.join([sys.executable, '-c', TIDY, str(work.folder.path)])}",
        *meet,
        "again=no",
        f"trap '{ask}' TERM",
        f"trap 'again=yes; {ask}' USR1",
        f"{started} &",
        "program=$!",
        'wait "$program"; status=$?',
        "# A signal ends `wait`, not the program.",
        'while kill -0 "$program" 2>/dev/null; do wait "$program"; status=$?; done',
        f"if [ $again = yes ] && [ ! -e {folder}/result.json ] && [ ! -e {folder}/error.json ]; then",
        '  echo "The time limit is near: the program has saved, and the job is queued again."',
        '  exec scontrol requeue "$SLURM_JOB_ID"',
        "fi",
        'exit "$status"',
    ]
