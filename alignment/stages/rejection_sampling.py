"""Rejection sampling: K answers a prompt from the best earlier policies; the reward model picks."""

import random
import shutil
from pathlib import Path

from alignment.models import Stage
from alignment.programs import GatherConfig, RejectionConfig
from alignment.records import PromptRecord
from alignment.selectors import GATHERS
from alignment.stages.definition import StageResult
from alignment.stages.domain_policies import domain_policies
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
from alignment.stages.snapshot import TRAIN_PROMPTS, snapshot_file
from annotation.records import read_records, write_records
from pretrain.run import RunFolder

PROGRAM = "sampling"
"""The program whose result is the stage's: the only one, or the one that gathers the shards."""


def start(stage: Stage) -> None:
    """Draw the prompts by the round's number, and plan one program, or the shards and what gathers them.

    Raises Invalid where a policy that the recipe names is not there.
    """
    recipe = recipe_of(stage.round).rejection
    folder = stage_folder(stage)
    write_records(folder / "prompts.jsonl", _chosen_prompts(stage))
    config = _config(stage, folder)
    if recipe.num_shards == 1:
        _add(stage, PROGRAM, config)
        return
    names = [f"shard-{number + 1}" for number in range(recipe.num_shards)]
    for number, name in enumerate(names):
        own = {"shard": number, "num_shards": recipe.num_shards, "out": folder / name / CANDIDATES}
        _add(stage, name, config.model_copy(update=own))
    gather = GatherConfig(shards=tuple(folder / name for name in names), out=folder / CANDIDATES)
    program_add(stage, PROGRAM, GATHERS, gather, queue=SAMPLING, group=1)


def finish(stage: Stage) -> StageResult:
    """The program's figures."""
    return {**stage.programs.get(name=PROGRAM).result, "policy": best_earlier_policy(stage.round).name}


def _chosen_prompts(stage: Stage) -> list[PromptRecord]:
    prompts = list(read_records(snapshot_file(stage, TRAIN_PROMPTS), PromptRecord))
    num_prompts = min(recipe_of(stage.round).rejection.num_prompts, len(prompts))
    return random.Random(stage.round.number).sample(prompts, num_prompts)


def _config(stage: Stage, folder: Path) -> RejectionConfig:
    """What one program that does it all is told."""
    recipe = recipe_of(stage.round)
    default = best_earlier_policy(stage.round)
    policies = domain_policies(stage.round, recipe.rejection.policies)
    return RejectionConfig(
        policy=checkpoint_path(default),
        policy_name=default.name,
        other_policies={each.name: checkpoint_path(each) for each in policies.values() if each != default},
        domain_policies={domain: each.name for domain, each in policies.items()},
        reward_model=checkpoint_path(stage_checkpoint(stage.round, Stage.Name.REWARD_MODEL, "average")),
        prompts=folder / "prompts.jsonl",
        num_candidates=recipe.rejection.num_candidates,
        sampling=recipe.rejection.sampling,
        domains=recipe.rejection.domains,
        system_prompts=recipe.rejection.system_prompts,
        language_check=recipe.rejection.language_check,
        engine=recipe.engine,
        out=folder / CANDIDATES,
    )


def _add(stage: Stage, name: str, config: RejectionConfig) -> None:
    """Plan a program that samples, with what it had done before the stage failed and was retried."""
    num_threads = recipe_of(stage.round).engine.num_threads
    module = "alignment.sampling.rejection"
    program_add(stage, name, module, config, queue=SAMPLING, num_threads=num_threads)
    earlier = stage_folder(stage).with_name(f"attempt-{stage.attempt - 1}")
    metrics = RunFolder(stage_folder(stage) / name).metrics_path
    for path in (config.out, metrics):
        done = earlier / path.relative_to(stage_folder(stage))
        if done.exists() and not path.exists():
            shutil.copy2(done, path)
