"""Much history: many rounds of ten stages with their programs, results and models, and long metrics files.

Rows are made in bulk: what matters is how many there are and how long, not how they came.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.utils import timezone

from alignment.models import Program, Round, Stage
from alignment.recipe import small
from annotation.models import Project
from registry.models import Checkpoint, CheckpointParent, Deployment
from tests.benchmarks.console_compared import make_judgements, make_snapshots, write_answers
from tests.e2e.sample_evaluation import sample_evaluation

PROGRAMS = {
    "reward_model": ("alignment.training.reward", 3),
    "rejection_sampling": ("alignment.sampling.rejection", 8),
    "sft": ("alignment.training.sft", 3),
    "dpo": ("alignment.training.dpo", 3),
    "averaging": ("alignment.training.average", 1),
    "evaluation": ("alignment.sampling.evaluation", 1),
}
"""By stage: the module of its programs, and how many there are."""
Produced = dict[tuple[int, str], dict[str, int]]
"""The ids of what a round's stage made, by round id and stage."""


@dataclass(frozen=True, kw_only=True)
class History:
    """The newest of everything."""

    project: Project
    running: Round
    """In the middle of its DPO stage."""
    finished: Round
    program: Program
    """One that runs."""
    checkpoint: Checkpoint
    """At the end of the longest line."""
    before: Checkpoint
    """The policy of the round before, whose answers the newest evaluation compared with that one's."""


def make_history(project: Project, folder: Path, *, num_rounds: int, num_metrics: int) -> History:
    """`num_rounds` finished rounds and a running one; its programs have told so many rows of metrics."""
    base = Checkpoint.objects.create(
        name="base", kind=Checkpoint.Kind.BASE, path=str(folder / "base"), content_hash="0" * 64
    )
    now = timezone.now()
    recipe = small().model_dump(mode="json")
    rounds = Round.objects.bulk_create(
        Round(
            project=project,
            number=number,
            base=base,
            recipe=recipe,
            state=Round.State.FINISHED if number <= num_rounds else Round.State.RUNNING,
            finished_at=now if number <= num_rounds else None,
        )
        for number in range(1, num_rounds + 2)
    )
    policies, produced = _models(base, rounds)
    stages = Stage.objects.bulk_create(
        _stage(round_, name, position, produced)
        for round_ in rounds
        for position, name in enumerate(Stage.Name)
    )
    made = [program for stage in stages for program in _programs(stage, folder)]
    programs = Program.objects.bulk_create(made)
    make_snapshots(rounds[-3:-1], make_judgements(project))
    newest = {stage.pk for stage in stages if stage.round_id == rounds[-2].pk}
    evaluated = next(each for each in programs if each.stage_id in newest and each.name == "answers")
    write_answers(Path(evaluated.folder), {"candidate": policies[-1], "previous": policies[-2], "base": base})
    Deployment.objects.bulk_create(
        Deployment(
            name=f"helpful-{place}",
            checkpoint=policy,
            served_name=policy.name,
            state=Deployment.State.LIVE if place > num_rounds - 1 else Deployment.State.RETIRED,
        )
        for place, policy in enumerate(policies)
    )
    running = [program for program in programs if program.state == Program.State.RUNNING]
    for program in running:
        _write(Path(program.folder), num_metrics)
    return History(
        project=project,
        running=rounds[-1],
        finished=rounds[-2],
        program=running[0],
        checkpoint=policies[-1],
        before=policies[-2],
    )


def _stage(round_: Round, name: Stage.Name, position: int, produced: Produced) -> Stage:
    now = timezone.now()
    active = round_.state == Round.State.RUNNING
    state = Stage.State.FINISHED
    if active and name == Stage.Name.DPO:
        state = Stage.State.RUNNING
    elif active and position > list(Stage.Name).index(Stage.Name.DPO):
        state = Stage.State.PENDING
    ended = state == Stage.State.FINISHED
    return Stage(
        round=round_,
        name=name,
        position=position,
        state=state,
        attempt=1,
        started_at=None if state == Stage.State.PENDING else now - timedelta(minutes=20),
        finished_at=now if ended else None,
        result=_result(round_, name, produced) if ended else {},
    )


def _result(round_: Round, name: Stage.Name, produced: Produced) -> dict[str, Any]:  # Any: a stage's JSON
    if name == Stage.Name.EVALUATION:
        return sample_evaluation(gained=round_.number / 100)
    made = produced.get((round_.pk, name))
    return {"checkpoints": made} if made else {}


def _programs(stage: Stage, folder: Path) -> list[Program]:
    module, number = PROGRAMS.get(stage.name, ("", 0))
    if stage.state == Stage.State.PENDING:
        return []
    running = stage.state == Stage.State.RUNNING
    now = timezone.now()
    return [
        Program(
            stage=stage,
            name="answers" if stage.name == "evaluation" else f"variant-{place + 1}",
            module=module,
            queue="training" if "training" in module else "sampling",
            group=0,
            folder=str(folder / f"{stage.round_id}" / stage.name / f"variant-{place + 1}"),
            state=Program.State.RUNNING if running else Program.State.FINISHED,
            attempt=1,
            done=500,
            total=1000,
            unit="steps",
            lease_expires_at=now + timedelta(minutes=1) if running else None,
            started_at=now,
            finished_at=None if running else now,
            result={} if running else {"num_tokens": 1_000_000, "note": "x" * 2_000},
        )
        for place in range(number)
    ]


def _models(base: Checkpoint, rounds: list[Round]) -> tuple[list[Checkpoint], Produced]:
    """Six models a round in their lines of descent: the policy of each, and which stage made which."""
    names = {"reward": "reward_model", "sft-1": "sft", "sft-2": "sft", "dpo-1": "dpo", "dpo-2": "dpo"}
    policies: list[Checkpoint] = []
    produced: Produced = {}
    links: list[CheckpointParent] = []
    for round_ in rounds[:-1]:
        made = Checkpoint.objects.bulk_create(
            Checkpoint(
                name=f"r{round_.number}-{name}",
                kind=kind,
                path=f"/nowhere/r{round_.number}/{name}",
                content_hash="1" * 64,
                recipe=round_.recipe,
                produced_by=f"round {round_.number}",
            )
            for name, kind in {**names, "average": "average"}.items()
        )
        reward, sft_1, sft_2, dpo_1, dpo_2, average = made
        links += [
            CheckpointParent(child=each, parent=base, role="initial") for each in (reward, sft_1, sft_2)
        ]
        links += [CheckpointParent(child=dpo_1, parent=sft_1, role="initial")]
        links += [CheckpointParent(child=dpo_2, parent=sft_2, role="initial")]
        links += [CheckpointParent(child=average, parent=each, role="averaged") for each in (dpo_1, dpo_2)]
        if policies:
            links.append(CheckpointParent(child=sft_1, parent=policies[-1], role="sampled"))
        policies.append(average)
        produced[round_.pk, "reward_model"] = {"average": reward.pk}
        produced[round_.pk, "sft"] = {"variant-1": sft_1.pk, "variant-2": sft_2.pk}
        produced[round_.pk, "dpo"] = {"variant-1": dpo_1.pk, "variant-2": dpo_2.pk}
        produced[round_.pk, "averaging"] = {"average": average.pk}
    CheckpointParent.objects.bulk_create(links)
    return policies, produced


def _write(folder: Path, num_metrics: int) -> None:
    folder.mkdir(parents=True)
    began = timezone.now().timestamp() - num_metrics
    with (folder / "metrics.jsonl").open("w") as rows:
        for step in range(1, num_metrics + 1):
            values = {"loss": 0.7 / step**0.2, "accuracy": 1 - 0.5 / step**0.3, "tokens_per_second": 1500.0}
            told = {"kind": "metrics", "time": began + step, "step": step, **values}
            progress = {"kind": "progress", "time": began + step, "done": step, "total": 2 * num_metrics}
            rows.write(json.dumps(told) + "\n" + json.dumps({**progress, "unit": "steps"}) + "\n")
    (folder / "log.txt").write_text("a line of a log\n" * num_metrics)
