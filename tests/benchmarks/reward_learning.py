"""A reward model learns from people's judgements as well as TRL's does, in less time.

`python -m tests.benchmarks.reward_learning --base FOLDER --pairs hh.jsonl.gz --json FILE`: both sides train
from the same base on the same pairs, in the same order, for as many epochs, at the same learning rate, and
are measured on the same held-out tenth. The interval of each accuracy stands beside it, and that of the
shortcut "the longer answer wins".
"""

import argparse
import random
import warnings
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from torch import nn

from alignment.accuracy import longer_wins_accuracy, pair_accuracy
from alignment.training.inputs import preference_row
from alignment.training.reward import all_rewards, reward_model_from
from alignment.training.rows import Row
from annotation.importing.preferences import Format, ReadRecord, read_preferences
from annotation.records import PreferenceRecord
from pretrain.checkpoint_folder import load_causal_lm
from pretrain.encoders import encoder_for
from pretrain.packed.attention import use_planned_attention
from tests.benchmarks import accord_side, trl_side
from tests.benchmarks.measuring import Case, Settings, Side, StepClock, compare, write_report

MAX_ROW_TOKENS = 512
STEP = 16
EPOCHS = 2
LEARNING_RATE = 2e-4
MAX_TOKENS = 4096
SEED = 0


def read_records(path: Path) -> list[PreferenceRecord]:
    """The records of a file that can be used, shuffled."""
    records = [read.record for read in read_preferences(path, Format.HH) if isinstance(read, ReadRecord)]
    random.Random(SEED).shuffle(records)
    return records


def epochs_of(rows: list[Row]) -> list[Row]:
    """The rows of all epochs in the order of training: whole steps alone."""
    drawn = random.Random(SEED)
    order = [row for _ in range(EPOCHS) for row in drawn.sample(rows, len(rows))]
    return order[: len(order) // STEP * STEP]


def measured(train: Side, model: nn.Module, holdout: list[Row], clock: StepClock) -> None:
    """Train, then tell the margin of each held-out pair in place of losses."""
    train(clock)
    use_planned_attention(model)
    rewards = all_rewards(model, holdout, MAX_TOKENS)
    clock.losses = [better - worse for better, worse in rewards]


def main() -> None:
    """Train both sides, print and write their accuracies."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.reward_learning")
    parser.add_argument("--base", type=Path, required=True, help="a causal language model's folder")
    parser.add_argument("--pairs", type=Path, required=True, help="pairs in hh's format")
    parser.add_argument("--json", type=Path, required=True)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    encoder = encoder_for(chosen.base)
    records = read_records(chosen.pairs)
    kept = [(record, preference_row(record, encoder)) for record in records]
    kept = [(record, row) for record, row in kept if row.num_tokens <= MAX_ROW_TOKENS]
    num_holdout = len(kept) // 10
    holdout = [row for _, row in kept[:num_holdout]]
    train_rows = epochs_of([row for _, row in kept[num_holdout:]])
    settings = Settings(learning_rate=LEARNING_RATE, bf16=False, step=STEP)

    def model() -> nn.Module:
        return reward_model_from(load_causal_lm(chosen.base), encoder.pad_id)

    ours, peer = model(), model()
    case = compare(
        "hh_helpful",
        partial(
            measured,
            lambda clock: accord_side.train_reward(ours, train_rows, clock, settings, max_tokens=MAX_TOKENS),
            ours,
            holdout,
        ),
        partial(
            measured,
            lambda clock: trl_side.train_reward(peer, train_rows, clock, settings, microbatch=STEP // 2),
            peer,
            holdout,
        ),
    )
    strengths = [record.strength.value for record, _ in kept[:num_holdout]]
    for side in (case.ours, case.peer):
        margins = side.pop("losses")
        side["accuracy"] = pair_accuracy(list(zip(strengths, margins, strict=True)))
    shortcut = longer_wins_accuracy([record for record, _ in kept[:num_holdout]])
    print_result(case, len(train_rows))
    write_report(chosen.json, [case], longer_wins=shortcut, num_training_pairs=len(train_rows))


def print_result(case: Case, num_pairs: int) -> None:
    """A line for each side."""
    console = Console()
    for name, side in (("Accord", case.ours), ("TRL", case.peer)):
        accuracy = side["accuracy"]
        console.print(
            f"{name:7} {accuracy['accuracy']:.3f} [{accuracy['low']:.3f}, {accuracy['high']:.3f}] of "
            f"{accuracy['num_pairs']} held-out pairs after {num_pairs}, "
            f"{side['seconds_per_step']:.2f} s a step"
        )


if __name__ == "__main__":
    main()
