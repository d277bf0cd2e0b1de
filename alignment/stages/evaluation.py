"""Evaluation: held-out answers of the new policy, the round before and the base; the reward's accuracy.

Also how far the new policy has moved from its SFT model, which is DPO's reference, and from the base.
"""

from pathlib import Path

from alignment.accuracy import longer_wins_accuracy
from alignment.models import Stage
from alignment.programs import EvaluationConfig
from alignment.records import PromptRecord
from alignment.stages.definition import StageResult
from alignment.stages.plan import (
    SAMPLING,
    best_earlier_policy,
    checkpoint_path,
    program_add,
    recipe_of,
    stage_checkpoint,
    stage_folder,
)
from alignment.stages.snapshot import HOLDOUT, HOLDOUT_PROMPTS, snapshot_file
from annotation.records import PreferenceRecord, read_records, write_records

ANSWERS = "answers.jsonl"
PROGRAM = "answers"
CANDIDATE = "candidate"
PREVIOUS = "previous"
BASE = "base"


def start(stage: Stage) -> None:
    """Plan the one program."""
    recipe = recipe_of(stage.round)
    folder = stage_folder(stage)
    prompts = list(read_records(snapshot_file(stage, HOLDOUT_PROMPTS), PromptRecord))
    write_records(folder / "prompts.jsonl", prompts[: recipe.evaluation.num_prompts])
    policies = {CANDIDATE: checkpoint_path(stage_checkpoint(stage.round, Stage.Name.AVERAGING, "average"))}
    previous = best_earlier_policy(stage.round)
    if previous != stage.round.base:
        policies[PREVIOUS] = checkpoint_path(previous)
    policies[BASE] = checkpoint_path(stage.round.base)
    config = EvaluationConfig(
        policies=policies,
        references={
            "SFT model": checkpoint_path(stage_checkpoint(stage.round, Stage.Name.SFT, "average")),
            "base": checkpoint_path(stage.round.base),
        },
        reward_model=checkpoint_path(stage_checkpoint(stage.round, Stage.Name.REWARD_MODEL, "average")),
        prompts=folder / "prompts.jsonl",
        holdout=snapshot_file(stage, HOLDOUT) if stage.round.snapshot.num_holdout else None,
        samples_per_prompt=recipe.evaluation.samples_per_prompt,
        sampling=recipe.evaluation.sampling,
        engine=recipe.engine,
        answers=folder / ANSWERS,
    )
    program_add(
        stage,
        PROGRAM,
        "alignment.sampling.evaluation",
        config,
        queue=SAMPLING,
        num_threads=recipe.engine.num_threads,
    )


def answers_path(stage: Stage) -> Path:
    """Where the sampled answers of the evaluation lie."""
    return Path(stage.programs.get(name=PROGRAM).folder).parent / ANSWERS


def finish(stage: Stage) -> StageResult:
    """The program's figures, and how often simply the longer answer was preferred."""
    held_out = read_records(snapshot_file(stage, HOLDOUT), PreferenceRecord)
    return {**stage.programs.get(name=PROGRAM).result, "longer_wins": longer_wins_accuracy(held_out)}
