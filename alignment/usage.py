"""What a running program uses: CPU, memory and GPU of its whole tree of processes, as rows of `usage.jsonl`.

The worker that runs the program measures, so the program knows nothing of it. A row every few seconds:
`{"time", "cpu": cores, "memory": bytes}`, and where there is a GPU `"gpu": share of the time it worked,
"gpu_memory": bytes` of all of the machine's GPUs together.
"""

import json
import shutil
import subprocess
import time
from contextlib import suppress

import psutil

from pretrain.run import RunFolder

USAGE_FILE = "usage.jsonl"
EVERY_SECONDS = 5.0
GPU_SECONDS = 5.0
"""How long nvidia-smi may take before the GPU is left out."""
GPU_QUERY = ("--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits")


class UsageMeter:
    """Measures one program. `measure` may be called as often as one likes."""

    def __init__(self, folder: RunFolder, pid: int) -> None:
        self._path = folder.path / USAGE_FILE
        self._pid = pid
        self._measured_at = time.monotonic()
        self._cpu_seconds = 0.0
        self._gpu_program = shutil.which("nvidia-smi")

    def measure(self) -> None:
        """Append a row if the last is old enough."""
        now = time.monotonic()
        if now - self._measured_at < EVERY_SECONDS:
            return
        cpu_seconds, memory = _tree(self._pid)
        # Processes that have ended since took their time with them.
        used = max(cpu_seconds - self._cpu_seconds, 0.0) / (now - self._measured_at)
        self._measured_at, self._cpu_seconds = now, cpu_seconds
        row = {"time": round(time.time(), 1), "cpu": round(used, 2), "memory": memory}
        if self._gpu_program is not None:
            row |= _gpu(self._gpu_program)
        with self._path.open("a") as rows:
            rows.write(json.dumps(row) + "\n")


def _tree(pid: int) -> tuple[float, int]:
    """Seconds of CPU and bytes of memory of all below a process, which itself, a keeper, only waits: nothing
    once it has ended."""
    seconds, memory = 0.0, 0
    with suppress(psutil.NoSuchProcess):
        for process in psutil.Process(pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                times = process.cpu_times()
                seconds += times.user + times.system
                memory += process.memory_info().rss
    return seconds, memory


def _gpu(program: str) -> dict[str, float]:
    """The machine's GPUs as nvidia-smi has them; nothing where it does not answer."""
    try:
        done = subprocess.run(
            [program, *GPU_QUERY], capture_output=True, text=True, timeout=GPU_SECONDS, check=True
        )
        lines = filter(str.strip, done.stdout.splitlines())
        rows = [[float(part) for part in line.split(",")] for line in lines]
    except (OSError, subprocess.SubprocessError, ValueError):
        return {}
    if not rows:
        return {}
    share = sum(row[0] for row in rows) / len(rows) / 100
    return {"gpu": share, "gpu_memory": sum(row[1] for row in rows) * 2**20}
