"""Puts models to work for a project by hand, and lets them go again: the first round's models, or any two of
the registry."""

from collections.abc import Sequence

from accounts.errors import Conflict, Invalid
from accounts.models import User
from accounts.services import audit_record
from alignment.models import Round
from alignment.overrides import not_through_their_gate
from annotation.models import Project
from annotation.services import project_deploy
from registry.models import Checkpoint, Deployment
from registry.services import deployment_request, deployment_retire


def models_deploy(
    project: Project, checkpoints: Sequence[Checkpoint], *, actor: User | None = None, reason: str = ""
) -> list[Deployment]:
    """Request a deployment of each checkpoint and give them to the project. At least two different ones.

    Raises Invalid where a model has not come through its round's gate and no `reason` is given.
    """
    if len({checkpoint.content_hash for checkpoint in checkpoints}) < 2:
        raise Invalid("Name at least two different models: people compare the answers of two.")
    unproven = not_through_their_gate(checkpoints)
    if unproven and not reason.strip():
        raise Invalid(
            f"{', '.join(unproven)} did not come through the gate of the round that made it: wait for its "
            "evaluation, or give a reason to deploy it all the same (--reason), which is kept."
        )
    if unproven:
        told = {"reason": reason.strip(), "models": unproven}
        audit_record(actor, "gate.bypass", project, told)
    deployments = [
        deployment_request(name=checkpoint.name, checkpoint=checkpoint, replaces=None)
        for checkpoint in checkpoints
    ]
    project_deploy(project, deployments, next_round=project.current_round)
    return deployments


def models_retire(project: Project) -> list[Deployment]:
    """Let the project's models answer no more; their servers end, and what they wrote stays.

    Returns those retired: models that answer for other projects as well go on. Comparisons that are open can
    still be judged. Raises Conflict while a round of the project is under way, which would wait for them.
    """
    running = Round.objects.filter(project=project, state=Round.State.RUNNING).first()
    if running is not None:
        raise Conflict(f"{running} is under way and needs the models: wait for its end, or cancel it first.")
    deployments = list(project.deployments.order_by("pk"))
    project_deploy(project, [], next_round=project.current_round)
    retired = [deployment for deployment in deployments if not deployment.projects.exists()]
    for deployment in retired:
        deployment_retire(deployment)
    return retired
