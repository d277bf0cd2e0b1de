"""Memory that torch frees on the CPU stays with the process, for the next tensor of that size.

glibc gives large blocks back to the kernel as soon as they are freed, and gets them anew, page by page and
filled with zeros, for the next one. A training step asks for the same few hundred blocks every time: without
this, it spends a tenth (fp32) to a third (bf16) of its time on pages. The numbers stay the same to the bit.
"""

import ctypes

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD = -1, -2, -3
"""mallopt(3)."""
NEVER = -1
LARGEST_KEPT = 32 << 20
"""The most that glibc takes: larger blocks go back to the kernel all the same."""
STEP_BYTES = 64 << 20
"""By which the heap grows."""


def keep_freed_memory() -> bool:
    """Let this process keep what it frees; whether the C library could be told (glibc can).

    Memory is then returned when the process ends, and what is resident is the most that was ever used.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    options = {M_MMAP_THRESHOLD: LARGEST_KEPT, M_TRIM_THRESHOLD: NEVER, M_TOP_PAD: STEP_BYTES}
    done = [mallopt(option, value) for option, value in options.items()]
    return all(done)
