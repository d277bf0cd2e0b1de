"""Freed memory stays with a process that wants to keep it, up to the largest block that glibc keeps."""

import subprocess
import sys
import textwrap

import pytest

from accord.env import REPOSITORY

CODE = """
    import sys
    from pathlib import Path
    from pretrain.heap import keep_freed_memory
    if sys.argv[1] == "keep" and not keep_freed_memory():
        sys.exit(77)
    size = int(sys.argv[2])
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
    before = resident()
    blocks = [b"x" * size for _ in range(8)]
    del blocks
    print((resident() - before) / (8 * size))
"""


def share_kept(how: str, block_bytes: int) -> float:
    """How much of eight freed blocks is still resident."""
    command = [sys.executable, "-c", textwrap.dedent(CODE), how, str(block_bytes)]
    ended = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if ended.returncode == 77:
        pytest.skip("this C library keeps what it wants")
    assert ended.returncode == 0, ended.stderr
    return float(ended.stdout)


def test_what_was_freed_is_kept_for_the_next_tensor() -> None:
    assert share_kept("plain", 20_000_000) < 0.2
    assert share_kept("keep", 20_000_000) > 0.9


def test_very_large_blocks_go_back_so_that_holes_between_them_hold_no_memory() -> None:
    assert share_kept("keep", 80_000_000) < 0.2
