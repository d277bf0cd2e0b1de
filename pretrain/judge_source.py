"""`python -m pretrain.judge_source run.json`: is a source of data worth having? Annealing tells.

Comes in: a JudgeSourceConfig: a half-trained base, the default data, the new source, text to measure on.
Goes out: for each seed the loss after annealing on the default data alone and on 30% new with 70% default,
and the difference with its spread over the seeds. Every run has a folder of its own under `runs/`: a
judgement that was stopped goes on inside the run it was at, and more seeds may be added later.

(Llama 3, section 3.4.3: annealing a half-trained 8B on 30% of a new dataset and 70% of the default mix.)
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from pydantic import Field, field_validator

from pretrain.checkpoint_folder import load_causal_lm
from pretrain.corpus import read_corpus
from pretrain.dialog import DialogEncoder
from pretrain.loop import LoopConfig, discard_checkpoint, train
from pretrain.model import next_token_loss
from pretrain.packing import TokenBatch, TokenData
from pretrain.recipe import StageRecipe
from pretrain.run import ProgramConfig, ProgramError, RunFolder, load_config, program_main
from pretrain.text_loss import mean_loss
from pretrain.training_data import encode

MAX_MEASURED_TOKENS = 200_000
T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Student's t, two-sided 95%, for 1 to 10 degrees of freedom; the last also for more, a little too wide."""

Arm = Literal["default", "new"]
ARMS: tuple[Arm, ...] = ("default", "new")


class JudgeSourceConfig(ProgramConfig):
    """A judgement of one source.

    Result: {"difference", "spread", "low", "high", "verdict", "seeds": [{"seed", "default", "new",
    "difference"}]}. Losses are nats per token of `measured`; a difference above 0 speaks for the source.
    """

    base: Path
    """A half-trained model's checkpoint folder."""
    default: Path
    """What the base would be annealed on: .jsonl and .txt files."""
    source: Path
    """The new source."""
    measured: Path
    """Text to measure on that is in neither: of the kind that the model should be better at."""
    new_fraction: float = Field(default=0.3, gt=0, lt=1)
    """Rows that come from the new source, in the mean."""
    stage: StageRecipe
    """Steps of annealing and what a step reads."""
    learning_rate: float = Field(gt=0)
    """Where the base's training stands; it falls linearly to 0."""
    seeds: tuple[int, ...] = Field(min_length=2)
    """Each draws other rows, the same for both sides."""
    weight_decay: float = Field(default=0.1, ge=0)
    beta2: float = Field(default=0.95, gt=0, lt=1)
    max_tokens_per_microbatch: int = Field(default=8192, ge=16)
    checkpoint_seconds: float = Field(default=60, gt=0)
    num_threads: int = Field(default=2, ge=1)

    @field_validator("seeds")
    @classmethod
    def _check_seeds(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed stands there twice")
        return seeds


@dataclass(frozen=True, kw_only=True)
class SeedResult:
    """Both sides of one seed."""

    seed: int
    default: float
    new: float

    @property
    def difference(self) -> float:
        """How much lower the loss is with the source."""
        return self.default - self.new


@dataclass(frozen=True, kw_only=True)
class Data:
    """The three texts in the base's tokens."""

    default: TokenData
    source: TokenData
    measured: TokenData


def run(config: JudgeSourceConfig, folder: RunFolder) -> None:
    """The whole program, once `run.json` is read."""
    torch.set_num_threads(config.num_threads)
    encoder = DialogEncoder.from_folder(config.base)
    data = Data(
        default=tokens_of(encoder, config.default),
        source=tokens_of(encoder, config.source),
        measured=tokens_of(encoder, config.measured),
    )
    losses: dict[tuple[int, Arm], float] = {}
    runs = [(seed, arm) for seed in config.seeds for arm in ARMS]
    for num_done, (seed, arm) in enumerate(runs):
        folder.progress(num_done, len(runs), "runs")
        losses[seed, arm] = one_run(
            config, data, RunFolder(folder.path / "runs" / f"{arm}-{seed}"), seed, arm
        )
        folder.metrics(num_done + 1, seed=seed, arm=arm, loss=losses[seed, arm])
    folder.progress(len(runs), len(runs), "runs")
    folder.finish(
        judgement(
            [
                SeedResult(seed=seed, default=losses[seed, "default"], new=losses[seed, "new"])
                for seed in config.seeds
            ]
        )
    )


def judgement(results: Sequence[SeedResult]) -> dict[str, object]:
    """The mean difference of paired runs, its 95% interval (Student's t) and what it says."""
    differences = [result.difference for result in results]
    mean, spread = statistics.mean(differences), statistics.stdev(differences)
    freedom = len(differences) - 1
    half = T_95[min(freedom, len(T_95)) - 1] * spread / math.sqrt(len(differences))
    low, high = mean - half, mean + half
    verdict = "better" if low > 0 else "worse" if high < 0 else "no difference told"
    return {
        "difference": mean,
        "spread": spread,
        "low": low,
        "high": high,
        "verdict": verdict,
        "seeds": [{**asdict(result), "difference": result.difference} for result in results],
    }


def one_run(config: JudgeSourceConfig, data: Data, folder: RunFolder, seed: int, arm: Arm) -> float:
    """Anneal one side with one seed, or take over what was done. The loss on the measured text.

    Raises ProgramError where the run is of another configuration.
    """
    same = config.model_copy(update={"seeds": (), "checkpoint_seconds": 1.0, "num_threads": 1})
    if not folder.config_path.exists():
        folder.write_config(config)
    found = load_config(folder.config_path, JudgeSourceConfig)
    if found.model_copy(update={"seeds": (), "checkpoint_seconds": 1.0, "num_threads": 1}) != same:
        raise ProgramError(
            f"{folder.path} is a run of another judgement: use another run folder, or remove it to start "
            "anew."
        )
    done = folder.read_result()
    if done is not None:
        return float(done["loss"])
    model = load_causal_lm(config.base)
    most = model.config.max_position_embeddings
    if config.stage.sequence_length > most:
        raise ProgramError(
            f"The base {config.base} reads {most} tokens, fewer than the rows "
            f"of {config.stage.sequence_length}: ask for shorter rows."
        )
    num_steps = config.stage.num_steps
    train(
        model=model,
        batch_at=batches(config, data, seed, arm),
        loss=next_token_loss,
        config=LoopConfig(
            num_steps=num_steps,
            learning_rate=config.learning_rate,
            weight_decay=config.weight_decay,
            beta2=config.beta2,
            checkpoint_seconds=config.checkpoint_seconds,
            seed=seed,
        ),
        folder=folder,
        learning_rate_at=lambda step: config.learning_rate * (num_steps - step) / num_steps,
    )
    length = config.stage.sequence_length
    loss = mean_loss(
        model,
        data.measured,
        length=length,
        num_rows=max(1, config.max_tokens_per_microbatch // length),
        max_tokens=MAX_MEASURED_TOKENS,
    )
    folder.finish({"loss": loss, "seed": seed, "arm": arm})
    discard_checkpoint(folder)
    return loss


def batches(config: JudgeSourceConfig, data: Data, seed: int, arm: Arm) -> Callable[[int], list[TokenBatch]]:
    """The microbatches of each step: from (seed, step) alone, default rows the same on both sides as far as
    they are the default's."""
    stage = config.stage

    def batch_at(step: int) -> list[TokenBatch]:
        random = np.random.default_rng((seed, step))
        num_new = int(random.binomial(stage.num_rows, config.new_fraction)) if arm == "new" else 0
        parts = [(data.default, stage.num_rows - num_new), (data.source, num_new)]
        found = [
            batch
            for source, num_rows in parts
            if num_rows
            for batch in source.random_batch(
                seed=seed,
                step=step,
                num_rows=num_rows,
                sequence_length=stage.sequence_length,
                rows_per_microbatch=max(1, config.max_tokens_per_microbatch // stage.sequence_length),
            )
        ]
        # Each source's batches are normalised by its own targets: the step's loss is over all of them.
        num_targets = sum(int((batch.targets_BT >= 0).sum()) for batch in found)
        return [replace(batch, num_targets=num_targets) for batch in found]

    return batch_at


def tokens_of(encoder: DialogEncoder, corpus: Path) -> TokenData:
    """A corpus in tokens. Raises ProgramError where there is no text."""
    return TokenData(encode(encoder, read_corpus(corpus).documents), encoder.pad_id)


if __name__ == "__main__":
    program_main(JudgeSourceConfig, run)
