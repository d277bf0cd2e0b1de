"""What the stage of rejection sampling tells its programs: policies by domain, shards, what a retry keeps."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from accounts.errors import Invalid
from alignment.advancing import round_advance
from alignment.models import Program, Round, Snapshot, Stage
from alignment.programs import GatherConfig, RejectionConfig
from alignment.recipe import RecipeError, parse_recipe, tiny
from alignment.records import SampledAnswer
from alignment.services import round_launch
from alignment.stages import rejection_sampling, sft
from alignment.stages.domain_policies import best_policy
from annotation.records import write_records
from pretrain.run import RunFolder
from registry.models import Checkpoint
from tests.alignment.factories import make_round
from tests.alignment.rejection.factories import make_prompt

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folders(settings: Settings, tmp_path: Path) -> None:
    """Run folders and checkpoints of this test alone."""
    settings.ACCORD_RUNS = tmp_path / "runs"
    settings.ACCORD_CHECKPOINTS = tmp_path / "checkpoints"


def recipe_with(rejection: Mapping[str, object]) -> dict[str, object]:
    """The tiny recipe with these changes in its rejection sampling."""
    data = tiny().model_dump(mode="json")
    return {**data, "rejection": {**data["rejection"], **rejection}}


def make_checkpoint(name: str, kind: Checkpoint.Kind = Checkpoint.Kind.AVERAGE) -> Checkpoint:
    return Checkpoint.objects.create(name=name, kind=kind, path=f"/{name}", content_hash="0" * 64)


def make_sampling_stage(folder: Path, rejection: Mapping[str, object], **values: object) -> Stage:
    """The stage of a round with a snapshot of four prompts and a reward model."""
    round_ = make_round(recipe=parse_recipe(recipe_with(rejection)).model_dump(mode="json"), **values)
    snapshot = folder / f"snapshot-{round_.pk}"
    write_records(
        snapshot / "train-prompts.jsonl",
        [make_prompt(str(number), domain=("sums", "coding")[number % 2]) for number in range(4)],
    )
    Snapshot.objects.create(
        round=round_, folder=str(snapshot), content_hash="0", num_train=9, num_holdout=1, num_newest=9
    )
    reward_model = make_checkpoint(f"reward-{round_.pk}", Checkpoint.Kind.REWARD_MODEL)
    finish(round_, Stage.Name.REWARD_MODEL, reward_model)
    stage = round_.stages.get(name=Stage.Name.REJECTION_SAMPLING)
    stage.attempt = 1
    return stage


def finish(round_: Round, name: Stage.Name, checkpoint: Checkpoint) -> None:
    """The stage has registered its average."""
    round_.stages.filter(name=name).update(
        result={"checkpoints": {"average": checkpoint.pk}}, state=Stage.State.FINISHED
    )


def make_earlier_round(
    folder: Path, number: int, rewards: Mapping[str, tuple[float, float]], **values: object
) -> Round:
    """A finished round whose policy's answers, and those of the one before, have these rewards by domain."""
    round_ = make_round(number=number, state=Round.State.FINISHED, **values)
    finish(round_, Stage.Name.AVERAGING, make_checkpoint(f"policy-{number}"))
    stage = round_.stages.get(name=Stage.Name.EVALUATION)
    run = folder / f"evaluation-{number}" / "answers"
    Program.objects.create(
        stage=stage, name="answers", module="m", queue="sampling", folder=str(run), group=0
    )
    write_records(
        run.parent / "answers.jsonl",
        [
            SampledAnswer(
                prompt_id=f"{domain}-{prompt}",
                domain=domain,
                policy=policy,
                sample=0,
                content="",
                reward=reward,
            )
            for domain, pair in rewards.items()
            for policy, reward in zip(("candidate", "previous" if number > 1 else "base"), pair, strict=True)
            for prompt in range(20)
        ],
    )
    return round_


def told(program: Program) -> RejectionConfig:
    """What the program's run.json says."""
    return RejectionConfig.model_validate_json((Path(program.folder) / "run.json").read_text())


def test_one_program_does_it_all_unless_the_recipe_asks_for_shards(tmp_path: Path) -> None:
    stage = make_sampling_stage(tmp_path, {})
    rejection_sampling.start(stage)
    (program,) = stage.programs.all()
    config = told(program)
    assert (program.name, config.num_shards, config.policy_name) == ("sampling", 1, stage.round.base.name)
    assert config.out == Path(program.folder).parent / "candidates.jsonl"


def test_shards_run_side_by_side_and_are_gathered_after(tmp_path: Path) -> None:
    stage = make_sampling_stage(tmp_path, {"num_shards": 3})
    rejection_sampling.start(stage)
    *shards, gather = stage.programs.order_by("group", "id")
    assert [(each.name, each.group) for each in shards] == [("shard-1", 0), ("shard-2", 0), ("shard-3", 0)]
    configs = [told(each) for each in shards]
    assert [(each.shard, each.num_shards) for each in configs] == [(0, 3), (1, 3), (2, 3)]
    assert len({each.out for each in configs}) == 3
    assert {each.prompts for each in configs} == {Path(gather.folder).parent / "prompts.jsonl"}
    assert (gather.name, gather.group, gather.module) == ("sampling", 1, "alignment.sampling.gathering")
    config = GatherConfig.model_validate_json((Path(gather.folder) / "run.json").read_text())
    assert config.shards == tuple(Path(each.folder) for each in shards)
    assert config.out == Path(gather.folder).parent / "candidates.jsonl"


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("broker")
def test_workers_may_take_all_shards_at_once(tmp_path: Path) -> None:
    stage = make_sampling_stage(tmp_path, {"num_shards": 3})
    stage.round.stages.filter(position__lt=stage.position).update(state=Stage.State.FINISHED)
    round_advance(stage.round_id)
    states = list(stage.programs.order_by("group", "id").values_list("state", flat=True))
    assert states == [*[Program.State.QUEUED] * 3, Program.State.PENDING]


@pytest.mark.parametrize("num_shards", [1, 2])
def test_a_retried_stage_keeps_what_its_programs_had_sampled(num_shards: int, tmp_path: Path) -> None:
    stage = make_sampling_stage(tmp_path, {"num_shards": num_shards})
    rejection_sampling.start(stage)
    sampling = stage.programs.exclude(module="alignment.sampling.gathering")
    for program in sampling.order_by("pk")[:1]:
        told(program).out.parent.mkdir(parents=True, exist_ok=True)
        told(program).out.write_text("half of it\n")
        RunFolder(Path(program.folder)).metrics(0, seconds=1.0)
    stage.attempt = 2

    rejection_sampling.start(stage)

    first, *others = sampling.order_by("pk")
    assert "attempt-2" in first.folder
    assert told(first).out.read_text() == "half of it\n"
    assert [row["seconds"] for row in RunFolder(Path(first.folder)).read_metrics("metrics")] == [1.0]
    assert RunFolder(Path(first.folder)).read_result() is None
    assert not any(told(each).out.exists() for each in others)


def test_a_domain_is_answered_by_the_checkpoint_that_the_recipe_names(tmp_path: Path) -> None:
    coder = make_checkpoint("coder")
    stage = make_sampling_stage(tmp_path, {"policies": {"coding": "coder"}})
    rejection_sampling.start(stage)
    config = told(stage.programs.get())
    assert config.policy == Path(stage.round.base.path)
    assert config.other_policies == {"coder": Path(coder.path)}
    assert config.domain_policies == {"coding": "coder"}


def test_best_is_the_newest_policy_that_did_not_get_worse_in_the_domain(tmp_path: Path) -> None:
    first = make_earlier_round(tmp_path, 1, {"sums": (1.0, 0.0), "coding": (1.0, 0.0), "poems": (0.0, 1.0)})
    shared = {"project": first.project, "base": first.base}
    make_earlier_round(tmp_path, 2, {"sums": (1.0, 0.0), "coding": (0.0, 1.0), "poems": (0.0, 1.0)}, **shared)
    best = {"sums": "best", "coding": "best", "poems": "best", "new": "best"}
    stage = make_sampling_stage(tmp_path, {"policies": best}, number=3, **shared)
    rejection_sampling.start(stage)
    config = told(stage.programs.get())
    assert config.policy_name == "policy-2"
    assert config.domain_policies == {
        "sums": "policy-2",
        "coding": "policy-1",
        "poems": first.base.name,
        "new": "policy-2",
    }
    assert set(config.other_policies) == {"policy-1", first.base.name}


def test_a_policy_whose_evaluation_is_gone_counts_as_no_worse(tmp_path: Path) -> None:
    first = make_earlier_round(tmp_path, 1, {"sums": (0.0, 1.0)})
    (tmp_path / "evaluation-1" / "answers.jsonl").unlink()
    round_ = make_round(number=2, project=first.project, base=first.base)
    assert best_policy(round_, "sums").name == "policy-1"


def test_a_policy_that_cannot_answer_is_refused_before_any_work() -> None:
    round_ = make_round(state=Round.State.FINISHED)
    make_checkpoint("reward", Checkpoint.Kind.REWARD_MODEL)
    for name, sentence in (
        ("nobody", "there is no such checkpoint: give a name"),
        ("reward", "is a reward model: give one that answers"),
    ):
        recipe = parse_recipe(recipe_with({"policies": {"coding": name}}))
        with pytest.raises(Invalid, match=sentence):
            round_launch(round_.project, round_.base, recipe, None)


def test_the_policies_that_sampled_are_parents_of_the_sft_model(tmp_path: Path) -> None:
    coder = make_checkpoint("coder")
    stage = make_sampling_stage(tmp_path, {"policies": {"coding": "coder"}})
    base = stage.round.base
    rejection_sampling.start(stage)
    stage.programs.update(result={"policies": {base.name: 2, "coder": 2}})
    stage.result = rejection_sampling.finish(stage)
    stage.save()
    training = stage.round.stages.get(name=Stage.Name.SFT)
    sft.start(training)
    training.programs.filter(name="quality").update(result={"sources": {}})
    for program in training.programs.exclude(name="quality"):
        (Path(program.folder) / "checkpoint").mkdir()
        (Path(program.folder) / "checkpoint" / "config.json").write_text(program.name)
    made = Checkpoint.objects.get(pk=sft.finish(training)["checkpoints"]["variant-1"])
    links = {(link.parent, link.role) for link in made.parent_links.all()}
    assert {(base, "initial"), (base, "sampled the data"), (coder, "sampled the data")} < links


@pytest.mark.parametrize(
    ("rejection", "sentence"),
    [
        ({"num_shards": 0}, r"rejection\.num_shards cannot be 0"),
        ({"domains": {"a": {"temperature": -1}}}, r"rejection\.domains\.a\.temperature cannot be -1"),
        ({"domains": {"a": {"num_candidates": 5}}}, r"rejection\.domains\.a\.num_candidates cannot be 5"),
        (
            {
                "system_prompts": [
                    {"name": "a", "text": "A", "share": 0.7},
                    {"name": "b", "text": "B", "share": 0.7},
                ]
            },
            r"rejection\.system_prompts has shares for all domains that sum to 1\.4: lower them",
        ),
        ({"language_check": {"min_confidence": 0.2}}, r"rejection\.language_check\.min_confidence cannot"),
    ],
)
def test_rejection_sampling_that_cannot_be_done_is_refused(
    rejection: dict[str, object], sentence: str
) -> None:
    with pytest.raises(RecipeError, match=sentence):
        parse_recipe(recipe_with(rejection))
