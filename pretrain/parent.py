"""Children that do not outlive the process that started them, however suddenly that one ends. Linux only."""

import ctypes
import os
import signal

PR_SET_PDEATHSIG = 1
"""linux/prctl.h."""


def end_with_parent() -> None:
    """Let the kernel kill this process when its parent is gone. Does nothing on other systems."""
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except (AttributeError, OSError):
        return


def children_end_with_me() -> None:
    """Let every process that is forked from this one end with it."""
    os.register_at_fork(after_in_child=end_with_parent)
