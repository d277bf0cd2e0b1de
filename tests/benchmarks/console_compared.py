"""What the page that compares two models reads: judgements, snapshots of them, an evaluation's answers."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from django.db.models import F

from accounts.models import User
from alignment.model_data import snapshot_count
from alignment.models import Round, Snapshot
from alignment.records import PromptRecord, SampledAnswer
from annotation.models import Comparison, Judgement, Project
from annotation.records import Message, Strength, write_records
from annotation.services.planner_statistics import statistics_refresh
from registry.models import Checkpoint
from tests.benchmarks.annotation_load_site import ANSWER

NUM_PEOPLE = 20
NUM_PROMPTS = 500
SAMPLES_PER_PROMPT = 2
DOMAINS = ("general knowledge", "coding", "reasoning", "multilingual")
WORDS = ANSWER.split()
NUM_WORDS = 150
"""Of an answer."""
BATCH = 5000


def make_judgements(project: Project) -> list[int]:
    """One judgement of each open comparison, by one of twenty people; their ids."""
    people = User.objects.bulk_create(
        [User(username=f"{project.slug}-{number}", password="!") for number in range(NUM_PEOPLE)]
    )
    draw = random.Random(0)
    strengths = list(Strength)
    waiting = Comparison.objects.filter(project=project, state=Comparison.State.OPEN)
    made: list[int] = []
    for ids in _parts(list(waiting.values_list("pk", flat=True))):
        rows = Judgement.objects.bulk_create(
            Judgement(
                comparison_id=pk,
                annotator=draw.choice(people),
                preferred=draw.choice(("left", "right")),
                strength=draw.choice(strengths),
                seconds=draw.uniform(20, 90),
                idempotency_key=str(pk),
            )
            for pk in ids
        )
        made += [row.pk for row in rows]
    waiting.update(num_judgements=F("needed"), state=Comparison.State.FULL)
    statistics_refresh([Comparison, Judgement], num_rows=len(made))  # as after an import
    return made


def make_snapshots(rounds: Sequence[Round], judgement_ids: Sequence[int]) -> None:
    """Let each round have trained on all of the judgements."""
    through = Snapshot.judgements.through
    for round_ in rounds:
        snapshot = Snapshot.objects.create(
            round=round_,
            folder="/nowhere",
            content_hash=f"{round_.number:064d}",
            num_train=len(judgement_ids) * 9 // 10,
            num_holdout=len(judgement_ids) // 10,
            num_newest=round_.number,
            dropped={},
        )
        for ids in _parts(judgement_ids):
            through.objects.bulk_create(
                [through(snapshot_id=snapshot.pk, judgement_id=pk) for pk in ids], ignore_conflicts=True
            )
        snapshot_count(snapshot)


def write_answers(program: Path, policies: Mapping[str, Checkpoint]) -> None:
    """The files of an evaluation's program in which each of the policies answered every prompt."""
    draw = random.Random(1)

    def text(num_words: int) -> str:
        return " ".join(draw.choices(WORDS, k=num_words))

    prompts = [
        PromptRecord(
            id=f"p{number}",
            domain=DOMAINS[number % len(DOMAINS)],
            language="en",
            context=(Message(role="user", content=text(20)),),
        )
        for number in range(NUM_PROMPTS)
    ]
    answers = [
        SampledAnswer(
            prompt_id=prompt.id,
            domain=prompt.domain,
            policy=policy,
            sample=sample,
            content=text(NUM_WORDS),
            reward=draw.gauss(0, 1),
        )
        for policy in policies
        for prompt in prompts
        for sample in range(SAMPLES_PER_PROMPT)
    ]
    folder = program.parent
    write_records(folder / "prompts.jsonl", prompts)
    write_records(folder / "answers.jsonl", answers)
    program.mkdir(parents=True, exist_ok=True)
    config = {
        "policies": {name: policy.path for name, policy in policies.items()},
        "reward_model": "/nowhere/reward",
        "prompts": str(folder / "prompts.jsonl"),
        "answers": str(folder / "answers.jsonl"),
    }
    (program / "run.json").write_text(json.dumps(config))


def _parts(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))
