"""The sample site's models, and a project with five rounds of them behind it."""

import json
from pathlib import Path

from alignment.model_data import snapshot_count
from alignment.models import ModelComparison, Program, Round, Snapshot, Stage
from alignment.recipe import tiny
from alignment.records import PromptRecord, SampledAnswer
from annotation.models import Judgement, Project
from annotation.records import Message, write_records
from annotation.services import project_create
from registry.models import Checkpoint, Deployment
from registry.services import checkpoint_register, deployment_register
from tests.alignment.sampling.factories import make_tokenizer
from tests.e2e.sample_texts import PAIRS

Kind = Checkpoint.Kind
Parents = list[tuple[Checkpoint, str]]


def make_models(project: Project, folder: Path) -> Checkpoint:
    """A base, what came from it, and two models that answer."""
    made: dict[str, Checkpoint] = {}
    recipe: tuple[tuple[str, Checkpoint.Kind, list[tuple[str, str]]], ...] = (
        ("small-base", Checkpoint.Kind.BASE, []),
        ("helpful-round-1-reward", Checkpoint.Kind.REWARD_MODEL, [("small-base", "initial")]),
        ("helpful-round-1-sft", Checkpoint.Kind.SFT, [("small-base", "initial")]),
        ("helpful-round-1-dpo-a", Checkpoint.Kind.DPO, [("helpful-round-1-sft", "initial")]),
        ("helpful-round-1-dpo-b", Checkpoint.Kind.DPO, [("helpful-round-1-sft", "initial")]),
        (
            "helpful-round-1",
            Checkpoint.Kind.AVERAGE,
            [("helpful-round-1-dpo-a", "averaged"), ("helpful-round-1-dpo-b", "averaged")],
        ),
    )
    for name, kind, parents in recipe:
        path = make_tokenizer(folder / name)
        (path / "config.json").write_text(json.dumps({"name": name}))
        made[name] = checkpoint_register(
            name=name,
            kind=kind,
            path=path,
            parents=[(made[parent], role) for parent, role in parents],
            recipe={"learning_rate": 1e-5, "beta": 0.1, "nll": 0.2} if parents else {},
            metrics={"loss": 0.4127, "tokens": 1_204_224, "accuracy": {"overall": 0.713}} if parents else {},
            produced_by="round 1" if parents else "pretrain",
        )
    for index, name in enumerate(("helpful-round-1", "helpful-round-1-dpo-a")):
        deployment = deployment_register(
            name=f"helpful-{'ab'[index]}",
            checkpoint=made[name],
            base_url=f"http://127.0.0.1:91{index}0/v1",
            served_name=name,
        )
        project.deployments.add(deployment)
    Deployment.objects.create(
        name="helpful-old",
        checkpoint=made["small-base"],
        served_name="small-base",
        state=Deployment.State.FAILED,
        error="The server ended before it answered: see its log.",
    )
    return made["helpful-round-1"]


def make_history(folder: Path, *, slug: str = "history", num_rounds: int = 5) -> list[Round]:
    """The rounds, oldest first; every judgement there is was in each snapshot."""
    project = project_create(slug=slug, name="Answers with a long history")
    base = _checkpoint(folder, f"{slug}-base", Kind.BASE, [])
    judgements = list(Judgement.objects.values_list("pk", flat=True))
    rounds: list[Round] = []
    policy = base
    for number in range(1, num_rounds + 1):
        recipe = tiny().model_dump(mode="json")
        recipe["rejection"]["num_candidates"] = 10 + number
        round_ = Round.objects.create(
            project=project, number=number, base=base, recipe=recipe, state=Round.State.FINISHED
        )
        for position, name in enumerate(Stage.Name):
            Stage.objects.create(round=round_, name=name, position=position, state=Stage.State.FINISHED)
        snapshot = Snapshot.objects.create(
            round=round_,
            folder=str(folder),
            content_hash=f"{number}c5e" * 16,
            num_train=1_240 * number,
            num_holdout=137 * number,
            num_newest=1_240,
            dropped={"similar answers": 31 * number, "strength": 412 * number},
        )
        snapshot.judgements.set(judgements)
        snapshot_count(snapshot)
        before, policy = policy, _train(round_, folder, base, policy)
        _evaluate(round_, folder, {"candidate": policy, "previous": before, "base": base})
        rounds.append(round_)
    Deployment.objects.create(
        name=f"{slug}-a", checkpoint=policy, served_name=policy.name, state=Deployment.State.LIVE
    )
    return rounds


def _train(round_: Round, folder: Path, base: Checkpoint, earlier: Checkpoint) -> Checkpoint:
    """What a round makes; its policy."""
    prefix = f"{round_.project.slug}-r{round_.number}"

    def stage(name: Stage.Name, kind: Checkpoint.Kind, parents: Parents) -> Checkpoint:
        variants = [
            _checkpoint(folder, f"{prefix}-{name.replace('_', '-')}-variant-{place}", kind, parents)
            for place in (1, 2)
        ]
        average = _checkpoint(
            folder,
            f"{prefix}-{name.replace('_', '-')}-average",
            kind if kind == Kind.REWARD_MODEL else Kind.AVERAGE,
            [(each, "averaged") for each in variants],
        )
        made = {"variant-1": variants[0].pk, "variant-2": variants[1].pk, "average": average.pk}
        if name == Stage.Name.DPO:
            del made["average"]
            policy = {"checkpoints": {"average": average.pk}}
            round_.stages.filter(name=Stage.Name.AVERAGING).update(result=policy)
        round_.stages.filter(name=name).update(result={"checkpoints": made})
        return average

    reward = stage(Stage.Name.REWARD_MODEL, Kind.REWARD_MODEL, [(base, "initial")])
    data = [(reward, "picked the data"), (earlier, "sampled the data")]
    sft = stage(Stage.Name.SFT, Kind.SFT, [(base, "initial"), *data])
    return stage(Stage.Name.DPO, Kind.DPO, [(sft, "initial")])


def _checkpoint(folder: Path, name: str, kind: Checkpoint.Kind, parents: Parents) -> Checkpoint:
    path = folder / name
    path.mkdir(parents=True)
    (path / "config.json").write_text(json.dumps({"name": name}))
    return checkpoint_register(
        name=name,
        kind=kind,
        path=path,
        parents=parents,
        recipe={"learning_rate": 1e-5} if parents else {},
        metrics={"loss": 0.41} if parents else {},
        produced_by="a round" if parents else "pretrain",
    )


def _evaluate(round_: Round, folder: Path, policies: dict[str, Checkpoint]) -> None:
    """What the evaluation's program leaves: each policy's answers to the same prompts, with rewards."""
    prompts, answers = [], []
    for number, (domain, language, question, left, right) in enumerate(PAIRS * 4):
        prompt = PromptRecord(
            id=f"p{number}",
            domain=domain,
            language=language,
            context=(Message(role="user", content=question),),
        )
        prompts.append(prompt)
        for place, name in enumerate(policies):
            reward = ((number * 7 + place * 5 + round_.number) % 11) / 3 - 0.4 * place
            content = (left, right, left.replace("the", "a"))[place]
            answers.append(
                SampledAnswer(
                    prompt_id=prompt.id, domain=domain, policy=name, sample=0, content=content, reward=reward
                )
            )
    at = folder / f"evaluation-{round_.project.slug}-{round_.number}"
    write_records(at / "prompts.jsonl", prompts)
    write_records(at / "answers.jsonl", answers)
    (at / "answers").mkdir()
    config = {
        "policies": {name: each.path for name, each in policies.items()},
        "prompts": str(at / "prompts.jsonl"),
        "answers": str(at / "answers.jsonl"),
    }
    (at / "answers" / "run.json").write_text(json.dumps(config))
    Program.objects.create(
        stage=round_.stages.get(name=Stage.Name.EVALUATION),
        name="answers",
        module="alignment.sampling.evaluation",
        queue="sampling",
        group=0,
        folder=str(at / "answers"),
        state=Program.State.FINISHED,
    )


def ask_two(history: list[Round], folder: Path) -> ModelComparison:
    """A comparison of two rounds' policies that waits for a worker."""
    names = [f"{round_.project.slug}-r{round_.number}-dpo-average" for round_ in history[-2:]]
    first, second = (Checkpoint.objects.get(name=name) for name in names)
    program = Program.objects.create(
        name="answers",
        module="alignment.sampling.evaluation",
        queue="sampling",
        group=0,
        folder=str(folder / "asked" / "answers"),
        state=Program.State.RUNNING,
        attempt=1,
        done=130,
        total=400,
        unit="prompts",
    )
    return ModelComparison.objects.create(
        first=second,
        second=first,
        reward_model=Checkpoint.objects.get(name=f"{history[-1].project.slug}-r1-reward-model-average"),
        project=history[-1].project,
        num_prompts=200,
        program=program,
    )


def newest_policy() -> Checkpoint:
    """The policy of the history's newest round."""
    return Checkpoint.objects.get(deployments__name="history-a")


def two_compared() -> str:
    """The address of the two newest rounds' policies side by side."""
    return "/models/compare/?a=history-r5-dpo-average&b=history-r4-dpo-average"
