"""A round whose evaluation has ended: its files as the programs leave them, and the stage's row."""

import json
from collections.abc import Sequence

from alignment.models import Program, Round, Stage
from alignment.records import CandidateSet, PromptRecord, SampledAnswer
from alignment.stages.plan import stage_folder
from annotation.records import write_records

PROXY = {"value": 0.7, "low": 0.6, "high": 0.8, "comparisons": 20}
"""The reward model's win rate over the base."""


def write_evaluation(
    round_: Round,
    prompts: Sequence[PromptRecord],
    answers: Sequence[SampledAnswer],
    sets: Sequence[CandidateSet],
) -> Round:
    """Let the round have sampled `sets` and answered `prompts`."""
    sampling = round_.stages.get(name=Stage.Name.REJECTION_SAMPLING)
    write_records(stage_folder(sampling) / "candidates.jsonl", sets)
    evaluation = round_.stages.get(name=Stage.Name.EVALUATION)
    folder = stage_folder(evaluation)
    write_records(folder / "prompts.jsonl", prompts)
    write_records(folder / "answers.jsonl", answers)
    (folder / "answers").mkdir()
    (folder / "answers" / "run.json").write_text(json.dumps({"answers": str(folder / "answers.jsonl")}))
    Program.objects.create(
        stage=evaluation,
        name="answers",
        module="m",
        queue="sampling",
        folder=str(folder / "answers"),
        group=0,
    )
    evaluation.state = Stage.State.FINISHED
    evaluation.result = {"win_rate": {"base": PROXY}, "outside": []}
    evaluation.save()
    return round_
