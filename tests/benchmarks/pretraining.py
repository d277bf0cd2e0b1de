"""Pretraining steps beside other trainers: `python -m tests.benchmarks.pretraining --json FILE`.

`--nanochat FOLDER` is a checkout of nanochat, `--litgpt PYTHON` of an environment with litgpt; transformers
is our own environment's. Every side runs in a process of its own, one after another, on one thread, by CPU
time, and its first steps, in which models are compiled, are dropped.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch
from rich.console import Console
from rich.table import Table

from accord.env import REPOSITORY
from tests.benchmarks.measuring import Case, write_report
from tests.benchmarks.pretraining_inside import FFN, LENGTH, NUM_KV_HEADS, NUM_LAYERS, VOCABULARY, WIDTH

NUM_DROPPED, NUM_COUNTED = 2, 5
"""Steps."""
PEAK_WIDTH, PEAK_TIMES = 2048, 8
"""Of the square products that tell what the processor can do."""
PLAIN, COMPILED = "plain", "compiled"
OURS = (("fp32", PLAIN), ("bf16", PLAIN))
THEIRS = {
    "transformers": (("fp32", PLAIN), ("bf16", PLAIN)),
    "nanochat": (("fp32", COMPILED),),
    "litgpt": (("fp32", COMPILED), ("bf16", PLAIN), ("bf16", COMPILED), ("pure_bf16", COMPILED)),
}
"""nanochat's default on a CPU; of litgpt all that might be its best."""
GOALS = {"transformers fp32": 2.0, "nanochat": 2.5, "litgpt best": 1.05}


@dataclass(frozen=True, kw_only=True)
class Run:
    """One side in one precision."""

    side: str
    precision: str
    compiled: bool
    seconds_per_step: float
    """CPU time, the median."""
    tokens_per_second: float
    peak_memory_mb: float
    """Resident, of the whole process."""
    mfu: float | None
    """Model FLOPs utilisation; None for nanochat, whose model is another."""
    losses: list[float]


def flops_per_token() -> float:
    """6 FLOPs for each weight of a matrix product and token, and attention, of which half is ahead and not
    computed (Chowdhery et al. 2022, appendix B)."""
    kv_width = WIDTH * NUM_KV_HEADS // 4
    layer = 2 * WIDTH * WIDTH + 2 * WIDTH * kv_width + 3 * WIDTH * FFN
    return 6.0 * (NUM_LAYERS * layer + WIDTH * VOCABULARY) + 6.0 * NUM_LAYERS * LENGTH * WIDTH


def peak_flops(dtype: torch.dtype) -> float:
    """FLOP/s of square products on one thread, by CPU time: the best of some."""
    one, other = (torch.randn(PEAK_WIDTH, PEAK_WIDTH).to(dtype) for _ in range(2))
    out = torch.empty(PEAK_WIDTH, PEAK_WIDTH, dtype=dtype)
    seconds = []
    for _ in range(PEAK_TIMES):
        began = time.process_time()
        torch.mm(one, other, out=out)
        seconds.append(time.process_time() - began)
    return 2.0 * PEAK_WIDTH**3 / min(seconds)


def run_side(
    side: str, precision: str, mode: str, *, python: Path, path: Path | None, peaks: dict[str, float]
) -> Run:
    """Train in a process of its own. Raises CalledProcessError where it fails."""
    search = ":".join(map(str, filter(None, (path, os.environ.get("PYTHONPATH")))))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "steps.json"
        subprocess.run(
            [
                *(python, "-m", "tests.benchmarks.pretraining_inside", side, precision, mode),
                *(str(NUM_DROPPED + NUM_COUNTED), out),
            ],
            cwd=REPOSITORY,
            env={**os.environ, "PYTHONPATH": search},
            check=True,
            stdout=subprocess.DEVNULL,
        )
        told = json.loads(out.read_text())
    seconds = median(told["seconds"][NUM_DROPPED:])
    speed = told["num_tokens"] / seconds
    peak = peaks["fp32" if precision == "fp32" else "bf16"]
    return Run(
        side=side,
        precision=precision,
        compiled=mode == COMPILED,
        seconds_per_step=round(seconds, 3),
        tokens_per_second=round(speed, 1),
        peak_memory_mb=told["peak_memory_mb"],
        mfu=None if side == "nanochat" else round(speed * flops_per_token() / peak, 3),
        losses=told["losses"],
    )


def case_of(name: str, ours: Run, peer: Run) -> Case:
    """The peer's CPU time over ours; the losses are compared where both train the same model."""
    same = peer.side == "transformers"
    differences = [abs(a - b) for a, b in zip(ours.losses, peer.losses, strict=True)]
    return Case(
        name=name,
        ratio=round(peer.seconds_per_step / ours.seconds_per_step, 3),
        ours=asdict(ours),
        peer=asdict(peer),
        loss_difference=max(differences) if same else None,
    )


def cases_of(ours: dict[str, Run], theirs: dict[str, list[Run]]) -> list[Case]:
    """Precision by precision, and our fastest against what each peer is measured by."""
    best = min(ours.values(), key=lambda run: run.seconds_per_step)
    found = [
        case_of(f"{peer.side} {peer.precision}, both", ours[peer.precision], peer)
        for runs in theirs.values()
        for peer in [min((run for run in runs if run.precision == p), key=_cost) for p in _precisions(runs)]
        if peer.precision in ours
    ]
    for side, runs in theirs.items():
        if side == "transformers":
            found.append(case_of("transformers fp32", best, next(r for r in runs if r.precision == "fp32")))
        else:
            name = "litgpt best" if side == "litgpt" else side
            found.append(case_of(name, best, min(runs, key=_cost)))
    return found


def _cost(run: Run) -> float:
    return run.seconds_per_step


def _precisions(runs: list[Run]) -> list[str]:
    return list(dict.fromkeys(run.precision for run in runs))


def table_of(cases: list[Case]) -> Table:
    """A row a case."""
    table = Table("case", "Accord, tokens/s", "peer, tokens/s", "ratio", "goal", "MFU", "losses within")
    for case in cases:
        within = "" if case.loss_difference is None else f"{case.loss_difference:.0e}"
        table.add_row(
            case.name,
            f"{case.ours['tokens_per_second']:,.0f} {case.ours['precision']}",
            f"{case.peer['tokens_per_second']:,.0f} {case.peer['precision']}",
            f"{case.ratio:.2f}",
            str(GOALS.get(case.name, "")),
            f"{case.ours['mfu']:.2f}",
            within,
        )
    return table


def main() -> None:
    """Run all sides, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nanochat", type=Path, help="a checkout of nanochat")
    parser.add_argument("--litgpt", type=Path, help="a Python that has litgpt")
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    peaks = {"fp32": peak_flops(torch.float32), "bf16": peak_flops(torch.bfloat16)}
    own = Path(sys.executable)
    places = {
        "transformers": (own, None),
        **({"nanochat": (own, options.nanochat.resolve())} if options.nanochat else {}),
        **({"litgpt": (options.litgpt.absolute(), None)} if options.litgpt else {}),
    }
    ours = {
        precision: run_side("accord", precision, mode, python=own, path=None, peaks=peaks)
        for precision, mode in OURS
    }
    theirs = {
        side: [run_side(side, *each, python=python, path=path, peaks=peaks) for each in THEIRS[side]]
        for side, (python, path) in places.items()
    }
    cases = cases_of(ours, theirs)
    runs = [asdict(run) for run in (*ours.values(), *(run for runs in theirs.values() for run in runs))]
    write_report(options.json, cases, peak_flops=peaks, flops_per_token=flops_per_token(), runs=runs)
    Console().print(table_of(cases))


if __name__ == "__main__":
    main()
