"""Evaluation: held-out answers of the new policy, the round before and the base; the reward's accuracy.

Also how far the new policy has moved from its SFT model, which is DPO's reference, and from the base; and
where the recipe names an outside judge, what that one says of the answers.
"""

from pathlib import Path

from alignment.accuracy import longer_wins_accuracy
from alignment.models import Stage
from alignment.programs import EvaluationConfig, OutsideJudgeConfig
from alignment.records import PromptRecord
from alignment.stages.definition import StageResult
from alignment.stages.judge import judge_config
from alignment.stages.plan import (
    CANDIDATES,
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
PROMPTS = "prompts.jsonl"
PROGRAM = "answers"
JUDGE_PROGRAM = "judge"
CANDIDATE = "candidate"
PREVIOUS = "previous"
BASE = "base"


def start(stage: Stage) -> None:
    """Plan the one program."""
    recipe = recipe_of(stage.round)
    folder = stage_folder(stage)
    prompts = list(read_records(snapshot_file(stage, HOLDOUT_PROMPTS), PromptRecord))
    write_records(folder / PROMPTS, prompts[: recipe.evaluation.num_prompts])
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
        prompts=folder / PROMPTS,
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

    _judge_add(stage, folder)


def _judge_add(stage: Stage, folder: Path) -> None:
    """Plan the outside judge's program, where the recipe names one."""
    gate = recipe_of(stage.round).gate
    judge = judge_config(gate.judge, named_in="gate.judge")
    if judge is None:
        return
    sampling = stage.round.stages.get(name=Stage.Name.REJECTION_SAMPLING)
    config = OutsideJudgeConfig(
        judge=judge,
        answers=folder / ANSWERS,
        prompts=folder / PROMPTS,
        num_prompts=gate.num_prompts,
        candidates=stage_folder(sampling) / CANDIDATES if gate.best_of_k_prompts else None,
        best_of_k_prompts=gate.best_of_k_prompts,
        # Beside the attempts: what the judge said of the same answers is not asked again by a retry.
        verdicts=folder.parent / "verdicts.jsonl",
        grades=folder.parent / "grades.jsonl",
    )
    program_add(stage, JUDGE_PROGRAM, "alignment.sampling.outside_judge", config, queue=SAMPLING, group=1)


def answers_path(stage: Stage) -> Path:
    """Where the sampled answers of the evaluation lie."""
    return Path(stage.programs.get(name=PROGRAM).folder).parent / ANSWERS


def finish(stage: Stage) -> StageResult:
    """The programs' figures, and how often simply the longer answer was preferred."""
    held_out = read_records(snapshot_file(stage, HOLDOUT), PreferenceRecord)
    judge = stage.programs.filter(name=JUDGE_PROGRAM).first()
    return {
        **stage.programs.get(name=PROGRAM).result,
        "longer_wins": longer_wins_accuracy(held_out),
        "outside": [] if judge is None else [judge.result],
    }
