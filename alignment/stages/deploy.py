"""Deploy: the averaged policy and one DPO variant go live together, so that the next round can compare two
models."""

from collections.abc import Sequence

from accounts.errors import Invalid
from alignment.fencing import step_held
from alignment.models import Stage
from alignment.stages.definition import StageResult
from alignment.stages.plan import stage_checkpoint, variant_names
from annotation.models import Release
from annotation.services import release_request
from registry.models import Checkpoint, Deployment

UNDER_WAY = (Release.State.PENDING, Release.State.LIVE)


def start(stage: Stage) -> None:
    """Ask for a release of the two models in place of the project's present ones; anew after a failed one."""
    round_ = stage.round
    checkpoints = [
        stage_checkpoint(round_, Stage.Name.AVERAGING, "average"),
        stage_checkpoint(round_, Stage.Name.DPO, variant_names(1)[0]),
    ]
    gate = round_.stages.get(name=Stage.Name.GATE).result
    with step_held(stage):
        release = _asked_before(stage, checkpoints) or release_request(
            round_.project,
            checkpoints,
            # A number that is run again does not take people back.
            next_round=max(round_.number + 1, round_.project.current_round),
            made_by_round=round_.number,
            gate={name: gate[name] for name in ("problems", "override") if name in gate},
            actor=round_.launched_by,
        )
    stage.result = {
        "release": release.pk,
        "deployments": list(release.deployments.order_by("pk").values_list("pk", flat=True)),
    }


def poll(stage: Stage) -> bool:
    """Live? Raises Invalid where the release failed or was taken back, with the reason."""
    release = _release(stage)
    if release.state in (Release.State.FAILED, Release.State.CANCELLED):
        raise Invalid(release.error or "The deploy was cancelled: retry the stage to deploy after all.")
    answering = [Deployment.State.READY, Deployment.State.LIVE]
    stage.total = release.deployments.count()
    stage.unit = "deployments"
    stage.done = release.deployments.filter(state__in=answering).count()
    # Replaced: it has been live, and somebody has deployed others since.
    return release.state in (Release.State.LIVE, Release.State.REPLACED)


def finish(stage: Stage) -> StageResult:
    """What went live, and when."""
    release = _release(stage)
    assert release.live_at is not None, release
    return {**stage.result, "live_at": release.live_at.isoformat()}


def _release(stage: Stage) -> Release:
    return Release.objects.get(pk=stage.result["release"])


def _asked_before(stage: Stage, checkpoints: Sequence[Checkpoint]) -> Release | None:
    """What an interrupted start of this stage asked for, for the same models."""
    wanted = {checkpoint.pk for checkpoint in checkpoints}
    asked = stage.round.project.releases.filter(made_by_round=stage.round.number, state__in=UNDER_WAY)
    for release in asked:
        if set(release.deployments.values_list("checkpoint", flat=True)) == wanted:
            return release
    return None
