"""No comparison mixes versions: what models wrote whom a deploy replaced meanwhile is asked anew."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection

from accounts.errors import Conflict
from annotation.models import Comparison, PairRequest, Project, Release
from annotation.pairing import Sampling, comparisons_generate
from annotation.services import dialog_turn, project_deploy, release_cancel, release_request
from registry.client import Completion, ModelReplaced
from registry.models import Deployment
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project
from tests.annotation.test_pairing import make_deployment, make_prompts

SAMPLING = Sampling(temperature=1.0, top_p=1.0, max_tokens=16, seed=7)


class Models:
    """Models that say their names. When "one" is first asked, a deploy of "six" and "ten" comes between."""

    def __init__(self, project: Project, *, refuses: bool) -> None:
        self._project = project
        self._refuses = refuses
        self._next = [make_deployment("six"), make_deployment("ten")]
        self.old = project_deploy(
            project, [make_deployment("one"), make_deployment("two")], next_round=project.current_round
        )

    def client_for(self, deployment: Deployment) -> "Named":
        """In place of `annotation.asking.chat_client`."""
        return Named(self, deployment.name)

    def asked(self, name: str) -> None:
        """The deploy; a server of ours then refuses whoever still asks for the old checkpoint."""
        if name == "one" and self._next:
            deployments, self._next = self._next, []
            project = Project.objects.get(pk=self._project.pk)
            project_deploy(project, deployments, next_round=project.current_round + 1)
            connection.close()
            if self._refuses:
                raise ModelReplaced("replaced")


class Named:
    """The client of one of them."""

    def __init__(self, models: Models, name: str) -> None:
        self._models = models
        self._name = name

    def complete(self, contexts: Sequence[Any], **settings: Any) -> list[list[Completion]]:
        """One answer a context."""
        self._models.asked(self._name)
        said = [f"{self._name} {context[-1].content}" for context in contexts]
        return [[Completion(content=each, num_tokens=3, finish="stop", seconds=0.1)] for each in said]


def check_versions(pairs: Sequence[Comparison], project: Project, old: Release) -> None:
    """All are the new models' alone, with the version that wrote them."""
    project.refresh_from_db()
    assert project.release != old
    for pair in pairs:
        sides = [pair.left, pair.right]
        assert {each.release for each in sides} == {project.release}
        assert {each.model_name for each in sides} == {"six", "ten"}
        assert all(each.written_at and each.checkpoint and each.deployment for each in sides)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("refuses", [True, False])
def test_a_deploy_while_models_write_leaves_no_mixed_pair(refuses: bool) -> None:
    project = make_project()
    make_prompts(project, 12)
    annotator = Annotator(make_annotator(project))
    judged = make_comparison(project, "Why?")
    assert annotator.judge(annotator.next(project)).status == 201
    models = Models(project, refuses=refuses)

    if refuses:
        made = comparisons_generate(
            project, num_comparisons=5, round_number=1, sampling=SAMPLING, client_for=models.client_for
        )
        assert made.created == 5
        pairs = Comparison.objects.exclude(pk=judged.pk).select_related("left", "right")
    else:
        assignment, _ = dialog_turn(
            dialog_id=judged.dialog_id,
            annotator=annotator.user,
            content="And then?",
            client_for=models.client_for,
        )
        pairs = Comparison.objects.filter(pk=assignment.comparison_id).select_related("left", "right")
        assert (pairs[0].round, PairRequest.objects.get().round) == (2, 2), "of the new models' round"
    check_versions(list(pairs), project, models.old)


@pytest.mark.django_db
def test_the_newest_wish_counts_and_a_wish_can_be_taken_back() -> None:
    project = make_project()
    live = project_deploy(project, [make_deployment("one"), make_deployment("two")], next_round=1)
    wanted = [make_deployment(name, state="retired").checkpoint for name in ("six", "ten", "hat")]
    first = release_request(project, wanted[:2])
    second = release_request(project, wanted[1:])

    first.refresh_from_db()
    assert (first.state, second.state, second.number) == ("cancelled", "pending", 3)
    assert "Another deploy" in first.error
    waiting = dict(Deployment.objects.exclude(state="live").order_by("pk").values_list("name", "state"))
    assert waiting == {"six": "retired", "ten": "requested", "hat": "requested"}

    release_cancel(second, actor=None)
    project.refresh_from_db()
    assert (project.release, project.deployments.count()) == (live, 2)
    assert not Deployment.objects.filter(state="requested").exists()
    with pytest.raises(Conflict, match="nothing to cancel"):
        release_cancel(second, actor=None)
