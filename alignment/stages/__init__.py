"""The stages of a round, in order: what each one starts, when it has ended, and what it leaves behind."""

from alignment.models import Stage
from alignment.stages import (
    averaging,
    collect,
    data_gate,
    deploy,
    dpo,
    evaluation,
    gate,
    rejection_sampling,
    reward_model,
    sft,
    snapshot,
)
from alignment.stages.definition import StageDefinition

STAGES: tuple[StageDefinition, ...] = (
    StageDefinition(name=Stage.Name.COLLECT, start=collect.start, poll=collect.poll, finish=collect.finish),
    StageDefinition(name=Stage.Name.DATA_GATE, start=data_gate.start, poll=data_gate.poll),
    StageDefinition(name=Stage.Name.SNAPSHOT, start=snapshot.start),
    StageDefinition(name=Stage.Name.REWARD_MODEL, start=reward_model.start, finish=reward_model.finish),
    StageDefinition(
        name=Stage.Name.REJECTION_SAMPLING, start=rejection_sampling.start, finish=rejection_sampling.finish
    ),
    StageDefinition(name=Stage.Name.SFT, start=sft.start, finish=sft.finish),
    StageDefinition(name=Stage.Name.DPO, start=dpo.start, finish=dpo.finish),
    StageDefinition(name=Stage.Name.AVERAGING, start=averaging.start, finish=averaging.finish),
    StageDefinition(name=Stage.Name.EVALUATION, start=evaluation.start, finish=evaluation.finish),
    StageDefinition(name=Stage.Name.GATE, start=gate.start, poll=gate.poll),
    StageDefinition(name=Stage.Name.DEPLOY, start=deploy.start, poll=deploy.poll, finish=deploy.finish),
)

__all__ = ["STAGES", "StageDefinition"]
