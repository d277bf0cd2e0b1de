"""Pairs of answers for rounds and dialogs, by stand-ins of deployed models that say what they are told."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from accounts.errors import Conflict, Forbidden, Unavailable
from annotation.asking import Draw, draw_models
from annotation.models import Comparison, Project, Prompt, Response
from annotation.pairing import Sampling, comparisons_generate
from annotation.services import dialog_turn, project_deploy
from registry.client import Completion
from registry.models import Checkpoint, Deployment
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project

pytestmark = pytest.mark.django_db

SAMPLING = Sampling(temperature=1.0, top_p=1.0, max_tokens=16, seed=7)
Say = Callable[[str, int], str]


class Model:
    """A deployed model that answers with `say(last message, times asked)`."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self.contexts: list[Any] = []

    def complete(self, contexts: Sequence[Any], **settings: Any) -> list[list[Completion]]:
        """One answer a context, as the client of a real one gives."""
        answers = []
        for context in contexts:
            self.contexts.append(context)
            content = self._say(context[-1].content, len(self.contexts))
            answers.append([Completion(content=content, num_tokens=3, finish="stop", seconds=0.1)])
        return answers


class Models:
    """The models of a project by name, deployed live."""

    def __init__(self, project: Project, **says: Say) -> None:
        self.by_name = {name: Model(say) for name, say in says.items()}
        project_deploy(project, [make_deployment(name) for name in says], next_round=project.current_round)

    def client_for(self, deployment: Deployment) -> Model:
        """In place of `annotation.asking.chat_client`."""
        return self.by_name[deployment.name]


def make_deployment(name: str, *, state: str = "live", checkpoint: Checkpoint | None = None) -> Deployment:
    """A deployment of a checkpoint of its own."""
    checkpoint = checkpoint or Checkpoint.objects.create(
        name=name, kind="dpo", path=f"/models/{name}", content_hash=name
    )
    return Deployment.objects.create(name=name, checkpoint=checkpoint, served_name=name, state=state)


def make_prompts(project: Project, count: int, split: str = "train") -> None:
    """Prompts `question 0`, …"""
    Prompt.objects.bulk_create(
        Prompt(
            project=project,
            external_id=f"{split}-{number}",
            context=[{"role": "user", "content": f"question {number}"}],
            split=split,
        )
        for number in range(count)
    )


def echo(word: str) -> Say:
    """A model that always finds its word for the question."""
    return lambda question, times: f"{word} {question}"


def generate(project: Project, models: Models, count: int, sampling: Sampling = SAMPLING) -> Any:
    """Comparisons of the current round."""
    return comparisons_generate(
        project,
        num_comparisons=count,
        round_number=project.current_round,
        sampling=sampling,
        client_for=models.client_for,
    )


def test_each_comparison_has_two_different_models_on_sides_drawn_by_its_seed() -> None:
    project = make_project(overlap=2)
    make_prompts(project, 60)
    models = Models(project, one=echo("one"), two=echo("two"), three=echo("three"))
    assert generate(project, models, 60).created == 60
    left_of: dict[str, int] = dict.fromkeys(models.by_name, 0)
    for comparison in Comparison.objects.select_related("left__deployment", "right__deployment"):
        left, right = comparison.left.deployment, comparison.right.deployment
        assert left is not None and right is not None
        assert left != right
        assert comparison.left.content == f"{left.name} {comparison.context[-1]['content']}"
        assert comparison.left.model_name == left.checkpoint.name
        drawn = draw_models(list(project.deployments.all()), comparison.seed or 0)
        assert drawn == Draw(seed=comparison.seed or 0, left=left, right=right)
        assert (comparison.needed, comparison.state, comparison.round) == (2, "open", project.current_round)
        left_of[left.name] += 1
    assert all(10 <= number <= 30 for number in left_of.values()), left_of


def test_train_prompts_are_asked_in_rotation_and_held_out_ones_never() -> None:
    project = make_project()
    make_prompts(project, 10)
    make_prompts(project, 5, split="holdout")
    models = Models(project, one=echo("one"), two=echo("two"))
    for count in (4, 6, 10):
        generate(project, models, count)
    used = [comparison.dialog.prompt.external_id for comparison in Comparison.objects.all()]
    assert sorted(used[:10]) == sorted(used[10:]) == sorted(f"train-{number}" for number in range(10))


def test_more_comparisons_than_prompts_go_round_again() -> None:
    project = make_project()
    make_prompts(project, 3)
    assert generate(project, Models(project, one=echo("one"), two=echo("two")), 7).created == 7
    assert sorted(prompt.dialogs.count() for prompt in Prompt.objects.all()) == [2, 2, 3]


def test_empty_and_identical_answers_make_no_comparison_but_others_take_their_place() -> None:
    project = make_project()
    make_prompts(project, 20)
    models = Models(
        project,
        one=lambda question, times: ["same", "", "one", "nul \0"][times % 4],
        two=lambda question, times: "same" if times % 4 == 0 else "two",
    )
    generated = generate(project, models, 10)
    assert generated.created == Comparison.objects.count() == 10
    assert generated.identical > 0 < generated.empty
    assert not Response.objects.filter(content="").exists()


def test_models_that_always_agree_are_given_up() -> None:
    project = make_project()
    make_prompts(project, 20)
    models = Models(project, one=echo("same"), two=echo("same"))
    with pytest.raises(Conflict, match="no two different answers to 200 prompts"):
        generate(project, models, 4)


def test_models_that_nearly_always_agree_are_asked_until_they_differ() -> None:
    project = make_project()
    make_prompts(project, 100)
    models = Models(
        project,
        one=echo("same"),
        two=lambda question, _: f"{'other' if '90' in question else 'same'} {question}",
    )
    generated = generate(project, models, 1)
    assert (generated.created, Comparison.objects.count()) == (1, 1)
    assert generated.identical > 10


def test_two_different_live_models_are_needed() -> None:
    project = make_project()
    make_prompts(project, 1)
    models = Models(project, one=echo("one"))
    twin = make_deployment("twin", checkpoint=Checkpoint.objects.get(name="one"))
    waiting = make_deployment("waiting", state="failed")
    for deployments in ([], [twin], [twin, waiting]):
        project.deployments.set([*Deployment.objects.filter(name="one"), *deployments])
        with pytest.raises(Conflict, match="Two different live models"):
            generate(project, models, 1)
    Deployment.objects.filter(pk=waiting.pk).update(state="starting")
    with pytest.raises(Unavailable, match="being started again"):
        generate(project, models, 1)


def test_prompts_are_needed() -> None:
    project = make_project()
    with pytest.raises(Conflict, match="import_prompts"):
        generate(project, Models(project, one=echo("one"), two=echo("two")), 1)


def judged_dialog(project: Project, annotator: Annotator, **fields: Any) -> Comparison:
    """A dialog whose first answers the annotator has judged."""
    comparison = make_comparison(project, "Why?")
    handed = annotator.next(project)
    assert handed["id"] == comparison.pk
    assert annotator.judge(handed, **fields).status == 201
    return comparison


def test_a_dialog_goes_on_with_the_answer_preferred_and_its_edit() -> None:
    project = make_project()
    annotator = Annotator(make_annotator(project))
    comparison = judged_dialog(project, annotator, preferred="right", edited="the edited answer")
    models = Models(project, one=echo("one"), two=echo("two"))
    assignment, created = dialog_turn(
        dialog_id=comparison.dialog_id,
        annotator=annotator.user,
        content="And then?",
        client_for=models.client_for,
    )
    assert created
    turn = assignment.comparison
    assert (turn.turn, turn.needed, turn.dialog_id) == (1, 1, comparison.dialog_id)
    assert [(message["role"], message["content"]) for message in turn.context] == [
        ("user", "Why?"),
        ("assistant", "the edited answer"),
        ("user", "And then?"),
    ]
    handed = annotator.next(project)
    assert (handed["id"], handed["turn"], handed["dialog"]) == (turn.pk, 1, comparison.dialog_id)
    assert {handed["left"]["content"], handed["right"]["content"]} == {"one And then?", "two And then?"}
    assert annotator.judge(handed).status == 201


def test_the_same_message_again_is_the_same_turn() -> None:
    project = make_project()
    annotator = Annotator(make_annotator(project))
    comparison = judged_dialog(project, annotator)
    models = Models(project, one=echo("one"), two=echo("two"))
    results = [
        dialog_turn(
            dialog_id=comparison.dialog_id,
            annotator=annotator.user,
            content="And then?",
            client_for=models.client_for,
        )
        for _ in range(2)
    ]
    assert [created for _, created in results] == [True, False]
    assert results[0][0] == results[1][0]
    assert Comparison.objects.count() == 2
    reply = annotator.call("POST", f"/dialogs/{comparison.dialog_id}/turn", {"content": "And then?"})
    assert (reply.status, reply.body["comparison"]["turn"]) == (200, 1)


def test_a_turn_puts_aside_what_the_person_holds() -> None:
    project = make_project()
    annotator = Annotator(make_annotator(project))
    comparison = judged_dialog(project, annotator)
    make_comparison(project, "Another?")
    held = annotator.next(project)
    models = Models(project, one=echo("one"), two=echo("two"))
    assignment, _ = dialog_turn(
        dialog_id=comparison.dialog_id,
        annotator=annotator.user,
        content="And then?",
        client_for=models.client_for,
    )
    handed = annotator.next(project)
    assert handed["id"] == assignment.comparison_id
    annotator.judge(handed)
    assert annotator.next(project)["id"] == held["id"]


def test_a_dialog_goes_on_only_after_judging_and_only_once() -> None:
    project = make_project(overlap=2)
    ann, bob = (Annotator(make_annotator(project, name)) for name in ("ann", "bob"))
    comparison = judged_dialog(project, ann)
    models = Models(project, one=echo("one"), two=echo("two"))

    def turn(annotator: Annotator, content: str) -> None:
        dialog_turn(
            dialog_id=comparison.dialog_id,
            annotator=annotator.user,
            content=content,
            client_for=models.client_for,
        )

    with pytest.raises(Forbidden, match="Judge the last two answers"):
        turn(bob, "Mine")
    turn(ann, "And then?")
    assert bob.judge(bob.next(project)).status == 201
    with pytest.raises(Forbidden, match="Judge the last two answers"):
        turn(bob, "Mine")
    path = f"/dialogs/{comparison.dialog_id}/turn"
    assert bob.call("POST", path, {"content": "Mine"}).status == 403
    project.memberships.filter(user=bob.user).delete()
    assert bob.call("POST", path, {"content": "Mine"}).status == 404
    assert ann.call("POST", path, {"content": ""}).status == 422
    assert ann.call("POST", "/dialogs/999999/turn", {"content": "Hm?"}).status == 404


def test_models_that_cannot_answer_a_turn_are_said_to_be_unavailable() -> None:
    project = make_project()
    annotator = Annotator(make_annotator(project))
    comparison = judged_dialog(project, annotator)
    models = Models(project, one=echo("same"), two=echo("same"))
    with pytest.raises(Unavailable, match="identical answers"):
        dialog_turn(
            dialog_id=comparison.dialog_id,
            annotator=annotator.user,
            content="And then?",
            client_for=models.client_for,
        )
    assert len(models.by_name["one"].contexts) == 5
    project.deployments.clear()
    reply = annotator.call("POST", f"/dialogs/{comparison.dialog_id}/turn", {"content": "And then?"})
    assert reply.status == 409
