"""Deploy: the averaged policy and one DPO variant go live, so that the next round can compare two models."""

from accounts.errors import Invalid
from alignment.fencing import step_held
from alignment.models import Stage
from alignment.stages.definition import StageResult
from alignment.stages.plan import stage_checkpoint, variant_names
from annotation.services import project_deploy
from registry.models import Deployment
from registry.services import deployment_request


def start(stage: Stage) -> None:
    """Ask for two deployments in place of the project's present ones."""
    if stage.result.get("deployments"):
        Deployment.objects.filter(pk__in=stage.result["deployments"], state=Deployment.State.FAILED).update(
            state=Deployment.State.REQUESTED, error=""
        )
        return
    round_ = stage.round
    checkpoints = [
        stage_checkpoint(round_, Stage.Name.AVERAGING, "average"),
        stage_checkpoint(round_, Stage.Name.DPO, variant_names(1)[0]),
    ]
    replaced = [
        deployment
        for deployment in round_.project.deployments.order_by("pk")
        if deployment.state == Deployment.State.LIVE and deployment.managed
    ]
    with step_held(stage):
        stage.result = {
            "deployments": [
                deployment_request(
                    name=checkpoint.name,
                    checkpoint=checkpoint,
                    replaces=replaced[index] if index < len(replaced) else None,
                ).pk
                for index, checkpoint in enumerate(checkpoints)
            ]
        }


def poll(stage: Stage) -> bool:
    """Both live? Raises Invalid where one failed, with its error."""
    deployments = list(Deployment.objects.filter(pk__in=stage.result["deployments"]))
    failed = [deployment for deployment in deployments if deployment.state == Deployment.State.FAILED]
    if failed:
        raise Invalid(f"{failed[0].name} could not be deployed: {failed[0].error}")
    stage.total = len(deployments)
    stage.unit = "deployments"
    stage.done = sum(deployment.state == Deployment.State.LIVE for deployment in deployments)
    return stage.done == stage.total


def finish(stage: Stage) -> StageResult:
    """The project's comparisons come from the new models from now on, as the next round's."""
    deployments = list(Deployment.objects.filter(pk__in=stage.result["deployments"]))
    with step_held(stage):
        project_deploy(stage.round.project, deployments, next_round=stage.round.number + 1)
    return dict(stage.result)
