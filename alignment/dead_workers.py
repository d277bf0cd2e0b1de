"""What dead workers of this machine held is given back at once: its lease would else have to run out.

Called by a worker that starts, mostly the successor of the dead one. Nothing here starts a program: the lease
is ended, and whoever advances rounds goes on as if it had run out.
"""

import time
from pathlib import Path

import psutil
from django.utils import timezone

from alignment.launching.handles import handle_read
from alignment.messages import rounds_advance_send
from alignment.models import Program
from alignment.program_process import LOOK_SECONDS, is_alive, leftovers_end
from alignment.running import GRACE_SECONDS, LEASE
from alignment.worker_identity import SEPARATOR, is_dead, machine, worker_identity
from pretrain.run import RunFolder


def dead_workers_leases_end() -> int:
    """End the leases of dead workers of this machine; how many there were.

    First no process of theirs is left: the next worker may be of another machine and cannot see them. Their
    keepers have been stopping them since their workers died, and are given the time to do so.
    """
    held = Program.objects.filter(
        lease_expires_at__gt=timezone.now(), worker__startswith=machine() + SEPARATOR
    ).only("pk", "attempt", "worker", "folder", "pid")
    taken = [program for program in held if is_dead(program.worker) and _take(program)]
    until = time.monotonic() + GRACE_SECONDS
    for program in taken:
        _keeper_wait(program.pid, until)
        folder = RunFolder(Path(program.folder))
        if handle_read(folder) is None:  # a job of a cluster is no leftover: the next worker follows it
            leftovers_end(folder)
    ours = Program.objects.filter(worker=worker_identity())
    for program in taken:
        ours.filter(pk=program.pk, attempt=program.attempt).update(lease_expires_at=timezone.now())
    if taken:
        rounds_advance_send()
    return len(taken)


def _take(program: Program) -> bool:
    """Hold the lease ourselves meanwhile: who else starts, or finds that it ran out, leaves it alone."""
    now = timezone.now()
    still = Program.objects.filter(
        pk=program.pk, attempt=program.attempt, worker=program.worker, lease_expires_at__gt=now
    )
    return bool(still.update(worker=worker_identity(), lease_expires_at=now + LEASE))


def _keeper_wait(pid: int | None, until: float) -> None:
    """Until the keeper has ended, which takes its program with it, or it is time to be rude."""
    if pid is None or not psutil.pid_exists(pid):
        return
    keeper = psutil.Process(pid)
    while is_alive(keeper) and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
