"""Puts models to work for a project, brings back earlier ones, and lets them go again.

All of it asks for a release; `alignment.model_servers` proves its models and takes it live.
"""

from collections.abc import Sequence
from pathlib import Path

from django.db import transaction

from accounts.errors import Conflict, Invalid
from accounts.models import User
from accounts.services import audit_record
from alignment.models import Round
from alignment.overrides import not_through_their_gate
from alignment.serving import CanaryError, CanaryUnanswered, server_prove
from annotation.models import Project, Release
from annotation.services import project_models_release, release_request
from registry.models import Checkpoint, Deployment
from registry.services import deployment_register


def models_deploy(
    project: Project, checkpoints: Sequence[Checkpoint], *, actor: User | None = None, reason: str = ""
) -> Release:
    """Ask for these models to answer for the project. At least two different ones.

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
    with transaction.atomic():
        if unproven:
            told = {"reason": reason.strip(), "models": unproven}
            audit_record(actor, "gate.bypass", project, told)
        return release_request(project, checkpoints, actor=actor)


def models_roll_back(project: Project, *, to: int | None = None, actor: User | None = None) -> Release:
    """Ask for the models of an earlier release again: of number `to`, or of the one before the present one.

    They come the same way as any others, past their canaries; until then the present ones go on. Raises
    Invalid where there is no such release, Conflict where it is what answers now.
    """
    project.refresh_from_db(fields=["release"])
    earlier = _release_to_restore(project, to)
    if earlier.pk == project.release_id and not _has_lost_a_model(earlier):
        raise Conflict(f"Release {earlier.number} is what answers now: choose an earlier one.")
    checkpoints = [
        each.checkpoint for each in earlier.deployments.select_related("checkpoint").order_by("pk")
    ]
    return release_request(project, checkpoints, restores=earlier, actor=actor)


def _release_to_restore(project: Project, number: int | None) -> Release:
    went_live = project.releases.filter(live_at__isnull=False)
    if number is not None:
        found = went_live.filter(number=number).first()
        if found is None:
            raise Invalid(f"There is no release {number} of {project.slug} that ever answered.")
        return found
    present = project.release
    before = present.replaces if present is not None else went_live.order_by("-number").first()
    if before is None:
        raise Invalid(f"{project.slug} has no earlier release to go back to.")
    return before


def _has_lost_a_model(release: Release) -> bool:
    return release.deployments.filter(state=Deployment.State.FAILED).exists()


def models_retire(project: Project, *, actor: User | None = None) -> list[Deployment]:
    """Let the project's models answer no more; their servers end, and what they wrote stays.

    Returns those retired: models that answer for other projects as well go on. Comparisons that are open can
    still be judged. Raises Conflict while a round of the project is under way, which would wait for them.
    """
    states = [Round.State.RUNNING, Round.State.PAUSED]
    running = Round.objects.filter(project=project, state__in=states).first()
    if running is not None:
        raise Conflict(f"{running} is under way and needs the models: wait for its end, or cancel it first.")
    return project_models_release(project, actor=actor)


def server_register(
    *, checkpoint: Checkpoint, base_url: str, served_name: str, name: str = "", actor: User | None = None
) -> Deployment:
    """Enter a server that someone else runs, once its canary proves that it holds `checkpoint`.

    A server that tells no log-probabilities, or a checkpoint without a canary, cannot be proved: it is
    entered without a figure. Raises Invalid where the server is proved to hold other weights.
    """
    base_url = base_url.rstrip("/").removesuffix("/v1")
    if not base_url.startswith(("http://", "https://")):
        raise Invalid("The server's address must begin with http:// or https://.")
    try:
        proof = server_prove(base_url, Path(checkpoint.path), served_name=served_name)
    except CanaryUnanswered:
        proof = None
    except CanaryError as error:
        raise Invalid(f"{error} Register it for the checkpoint that it serves.") from error
    return deployment_register(
        name=name or checkpoint.name,
        checkpoint=checkpoint,
        base_url=base_url,
        served_name=served_name,
        canary=None if proof is None else (proof.difference, proof.tolerance),
        actor=actor,
    )
