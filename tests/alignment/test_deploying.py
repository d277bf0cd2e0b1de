"""A project's models are put to work, and let go again without harm to others."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from alignment.deploying import models_deploy
from alignment.models import Round
from annotation.models import Project
from annotation.services import release_go_live
from registry.models import Checkpoint, Deployment
from tests.alignment.factories import make_round

pytestmark = pytest.mark.django_db


def make_checkpoint(name: str) -> Checkpoint:
    """A registered model whose folder is not looked at."""
    return Checkpoint.objects.create(
        name=name, kind=Checkpoint.Kind.AVERAGE, path="/nowhere", content_hash=name.ljust(64, "0")
    )


def deployed(project: Project, checkpoints: list[Checkpoint]) -> list[Deployment]:
    """The project's models, as if their servers had been proved."""
    release = models_deploy(project, checkpoints)
    release.deployments.update(state=Deployment.State.READY)
    assert release_go_live(release)
    return list(project.deployments.order_by("pk"))


def retire(project: Project) -> str:
    """What the command says."""
    out = StringIO()
    call_command("retire_models", project=project.slug, stdout=out)
    return out.getvalue()


def test_a_projects_models_retire_but_not_those_of_others() -> None:
    project, other = (Project.objects.create(slug=slug, name=slug) for slug in ("one", "two"))
    first, second = deployed(project, [make_checkpoint("a"), make_checkpoint("b")])
    other.deployments.add(second)

    assert retire(project).startswith("Retired: a.")
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == (Deployment.State.RETIRED, Deployment.State.LIVE)
    assert not project.deployments.exists()
    assert list(other.deployments.all()) == [second]
    assert retire(project).startswith("Retired: none.")


def test_models_that_a_round_needs_stay() -> None:
    round_ = make_round()
    (first, _) = deployed(round_.project, [make_checkpoint("a"), make_checkpoint("b")])
    with pytest.raises(CommandError, match="is under way and needs the models"):
        retire(round_.project)
    first.refresh_from_db()
    assert first.state == Deployment.State.LIVE

    Round.objects.update(state=Round.State.CANCELLED)
    assert retire(round_.project).startswith("Retired: a, b.")


def test_a_project_that_is_not_there_is_told() -> None:
    with pytest.raises(CommandError, match="There is no project 'nothing'"):
        call_command("retire_models", project="nothing")
