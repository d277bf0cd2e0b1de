"""Jobs of a cluster whose programs were cancelled or paused while no worker followed them: they are ended.

A worker that follows a job ends it itself. Where it died first, the job's handle in the program's row is all
that is left of it.
"""

import logging
from pathlib import Path

from django.db import transaction

from alignment.launching.choosing import launcher_chosen, work_of
from alignment.launching.interface import LaunchError
from alignment.models import Program
from pretrain.run import RunFolder

logger = logging.getLogger(__name__)

State = Program.State
FOLLOWED = (State.QUEUED, State.RUNNING)


def orphan_jobs_end() -> int:
    """End them; how many there were. A job that cannot be ended now is met again next time."""
    num_ended = 0
    unled = Program.objects.exclude(job="").exclude(state__in=FOLLOWED).filter(lease_expires_at=None)
    for pk in list(unled.values_list("pk", flat=True)):
        with transaction.atomic():
            # Nobody begins in its folder meanwhile.
            program = unled.select_for_update(of=("self",), skip_locked=True).filter(pk=pk).first()
            if program is None:
                continue
            work = work_of(program, RunFolder(Path(program.folder)), grace=0, silence=0)
            try:
                launcher_chosen().end(work, program.job)
            except LaunchError as error:
                logger.warning("The job %s could not be ended: %s", program.job, error)
                continue
            Program.objects.filter(pk=pk).update(job="")
            num_ended += 1
    return num_ended
