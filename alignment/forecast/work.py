"""How much each stage of a round computes, and what it leaves on disk. Pure.

Work is counted in giga parameter-tokens (the model's parameters times the tokens read or written, over 10⁹)
where a model computes; averaging in giga parameters read; the snapshot in thousands of judgements; deploying
in rounds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alignment.recipe import RoundRecipe

GIGA = 1e9
FP32_BYTES = 4
RESUME_BYTES = 12
"""Of one parameter in a checkpoint for resuming: weight and AdamW's two moments."""
RESUME_COPIES = 2
"""The newest and the one before."""
AT_ONCE = 2
"""Trainings that run side by side in the local stack."""
BYTES_A_TOKEN = 6
"""Of an answer's text with its record's part."""

TRAINING = ("reward_model", "sft", "dpo")
SAMPLING = ("rejection_sampling", "evaluation")
STARTS = {"reward_model": 2, "rejection_sampling": 1, "sft": 3, "dpo": 1, "averaging": 1, "evaluation": 1}
"""Groups of programs that start one after another."""


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What there is to compute on."""

    parameters: int
    num_judgements: int
    """All that the snapshot will read."""
    num_train: int
    """Of them, that train."""
    num_newest: Mapping[int, int]
    """The judgements that train of the newest n rounds, by the n that variants of DPO ask for."""
    num_train_prompts: int
    num_holdout_prompts: int
    num_edits: int
    tokens_per_row: Mapping[str, float]
    """Of one example, by training stage."""
    tokens_per_answer: float
    kept_share: float
    """Of the prompts of rejection sampling, whose answer becomes an example."""
    num_policies: int
    """That evaluation compares: the new one, the base, and the round before's."""


@dataclass(frozen=True, kw_only=True)
class StageWork:
    """One stage's."""

    stage: str
    amount: float
    disk_bytes: int = 0
    resume_bytes: int = 0
    """Of checkpoints for resuming, gone when the stage has ended."""


def round_work(recipe: RoundRecipe, sizes: Sizes) -> list[StageWork]:
    """Every stage that computes, in order."""
    sampled = min(recipe.rejection.num_prompts, sizes.num_train_prompts)
    examples = sampled * sizes.kept_share + sizes.num_edits
    reward = [sizes.num_train * each.optimizer.num_epochs for each in recipe.reward]
    sft = [examples * each.optimizer.num_epochs for each in recipe.sft]
    dpo = [sizes.num_newest[each.newest_rounds] * each.optimizer.num_epochs for each in recipe.dpo]
    answered = min(recipe.evaluation.num_prompts, sizes.num_holdout_prompts) * sizes.num_policies
    model = sizes.parameters * FP32_BYTES
    return [
        StageWork(
            stage="snapshot",
            amount=sizes.num_judgements / 1000,
            # The newest rounds' have a file of their own.
            disk_bytes=round(2 * sizes.num_judgements * sizes.tokens_per_row["dpo"] * BYTES_A_TOKEN),
        ),
        _training("reward_model", reward, sizes, num_averages=1),
        _sampling("rejection_sampling", sampled * recipe.rejection.num_candidates, sizes),
        _training("sft", sft, sizes, num_averages=1),
        _training("dpo", dpo, sizes, num_averages=0),
        StageWork(stage="averaging", amount=len(recipe.dpo) * sizes.parameters / GIGA, disk_bytes=model),
        _sampling("evaluation", answered * recipe.evaluation.samples_per_prompt, sizes),
        StageWork(stage="deploy", amount=1.0),
    ]


def left_over(stage: StageWork, reused: float) -> StageWork:
    """What is to be computed where so much of the stage, of 1, is taken over: links take no disk."""
    if not reused:
        return stage
    rest = 1 - reused
    return StageWork(
        stage=stage.stage,
        amount=stage.amount * rest,
        disk_bytes=round(stage.disk_bytes * rest),
        resume_bytes=stage.resume_bytes if rest else 0,
    )


def disk(work: Sequence[StageWork]) -> tuple[int, int]:
    """Bytes that the round leaves on disk, and the most that it needs at one time."""
    kept = peak = 0
    for stage in work:
        kept += stage.disk_bytes
        peak = max(peak, kept + stage.resume_bytes)
    return kept, peak


def _training(stage: str, rows: Sequence[float], sizes: Sizes, *, num_averages: int) -> StageWork:
    """`rows` are the examples that each variant draws."""
    resume = min(AT_ONCE, len(rows)) * RESUME_COPIES * RESUME_BYTES
    return StageWork(
        stage=stage,
        amount=sum(rows) * sizes.tokens_per_row[stage] * sizes.parameters / GIGA,
        disk_bytes=(len(rows) + num_averages) * sizes.parameters * FP32_BYTES,
        resume_bytes=resume * sizes.parameters,
    )


def _sampling(stage: str, num_answers: int, sizes: Sizes) -> StageWork:
    tokens = num_answers * sizes.tokens_per_answer
    return StageWork(
        stage=stage, amount=tokens * sizes.parameters / GIGA, disk_bytes=round(tokens * BYTES_A_TOKEN)
    )
