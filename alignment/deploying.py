"""Puts models to work for a project by hand: the first round's models, or any two of the registry."""

from collections.abc import Sequence

from accounts.errors import Invalid
from annotation.models import Project
from annotation.services import project_deploy
from registry.models import Checkpoint, Deployment
from registry.services import deployment_request


def models_deploy(project: Project, checkpoints: Sequence[Checkpoint]) -> list[Deployment]:
    """Request a deployment of each checkpoint and give them to the project. At least two different ones."""
    if len({checkpoint.content_hash for checkpoint in checkpoints}) < 2:
        raise Invalid("Name at least two different models: people compare the answers of two.")
    deployments = [
        deployment_request(name=checkpoint.name, checkpoint=checkpoint, replaces=None)
        for checkpoint in checkpoints
    ]
    project_deploy(project, deployments, next_round=project.current_round)
    return deployments
