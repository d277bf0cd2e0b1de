"""Releases: asking for one, taking it live in one transaction, and giving it up.

Whoever runs the model servers (`alignment.model_servers`) proves the new models and then calls
`release_go_live`; until then the models of the release before answer, and where one of the new ones cannot
be proved they go on answering.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.errors import Conflict
from accounts.models import User
from accounts.services import audit_record
from annotation.models import Assignment, Comparison, Project, Release
from registry.models import Checkpoint, Deployment
from registry.services import (
    Served,
    deployment_fail,
    deployment_mark_live,
    deployment_request,
    deployment_retire,
)
from webhooks.events import Event
from webhooks.services import emit

State = Release.State
ANSWERS = (Deployment.State.READY, Deployment.State.LIVE)


def release_request(
    project: Project,
    checkpoints: Sequence[Checkpoint],
    *,
    next_round: int | None = None,
    made_by_round: int | None = None,
    gate: dict[str, Any] | None = None,  # Any: JSON
    restores: Release | None = None,
    actor: User | None = None,
) -> Release:
    """Ask for these models to answer for the project; they go live together once all of them are proved.

    A release that still waits is cancelled: the newest wish counts. Live at once where all of the models
    answer already. Raises Conflict where another checkpoint answers under one of the names.
    """
    with transaction.atomic():
        locked = Project.objects.select_for_update().get(pk=project.pk)
        _cancel_pending(locked)
        present = list(locked.deployments.filter(state=Deployment.State.LIVE, managed=True).order_by("pk"))
        wanted = {checkpoint.pk for checkpoint in checkpoints}
        leaving = iter([each for each in present if each.checkpoint_id not in wanted])
        staying = {each.checkpoint_id for each in present}
        deployments = [
            deployment_request(
                name=checkpoint.name,
                checkpoint=checkpoint,
                replaces=None if checkpoint.pk in staying else next(leaving, None),
                actor=actor,
            )
            for checkpoint in checkpoints
        ]
        release = _release_new(
            locked,
            deployments,
            next_round=next_round,
            made_by_round=made_by_round,
            gate=gate or {},
            restores=restores,
            requested_by=actor,
        )
        data = {"release": release.number, "models": [checkpoint.name for checkpoint in checkpoints]}
        audit_record(actor, "release.request", release, {**data, "round": next_round})
        release_go_live(release)
    project.refresh_from_db(fields=["current_round", "release"])
    release.refresh_from_db()
    return release


def release_go_live(release: Release, served: Mapping[int, Served] | None = None) -> bool:
    """Let the release's models answer for its project, all of them from one moment on.

    `served` says where those answer that were proved just now, by their deployment's number. False, and
    nothing has changed, where the release no longer waits or one of its models is not proved.
    """
    served = served or {}
    with transaction.atomic():
        project = Project.objects.select_for_update().get(pk=release.project_id)
        locked = Release.objects.select_for_update().get(pk=release.pk)
        members = list(locked.deployments.select_for_update().order_by("pk"))
        proved = all(each.state in ANSWERS or each.pk in served for each in members)
        if locked.state != State.PENDING or not proved:
            return False
        for deployment in members:
            if deployment.state == Deployment.State.LIVE and deployment.pk not in served:
                continue
            where = served.get(deployment.pk) or _served_already(deployment)
            if not deployment_mark_live(deployment, where):
                transaction.set_rollback(True)
                return False
        _replace(project, locked, members)
    release.refresh_from_db()
    return True


def release_fail(release: Release, sentence: str) -> None:
    """Give the release up, with its reason; what answered before goes on. A no-op where it does not wait."""
    with transaction.atomic():
        locked = Release.objects.select_for_update().select_related("project").get(pk=release.pk)
        if locked.state != State.PENDING:
            return
        _end(locked, State.FAILED, error=sentence)
        audit_record(None, "release.fail", locked, {"error": sentence})
        emit(Event.DEPLOY_FAILED, release_told(locked), project=locked.project_id, texts={"error": sentence})
    release.refresh_from_db()


def deployment_lose(deployment: Deployment, sentence: str) -> None:
    """A model cannot answer, and is not tried again: releases that wait for it end, and admins are told."""
    with transaction.atomic():
        deployment_fail(deployment, sentence)
        reason = f"{deployment.name} could not be deployed: {sentence}"
        for release in deployment.releases.filter(state=State.PENDING):
            release_fail(release, reason)
        for release in deployment.releases.filter(state=State.LIVE).select_related("project"):
            told = release_told(release)
            emit(Event.DEPLOY_FAILED, told, project=release.project_id, texts={"error": reason})


def release_cancel(release: Release, *, actor: User | None) -> None:
    """Take back the wish for a release that waits. Raises Conflict where it waits no more."""
    with transaction.atomic():
        locked = Release.objects.select_for_update().get(pk=release.pk)
        if locked.state != State.PENDING:
            raise Conflict("This deploy is over: there is nothing to cancel.")
        _end(locked, State.CANCELLED)
        audit_record(actor, "release.cancel", locked, {})


def project_deploy(
    project: Project, deployments: Sequence[Deployment], *, next_round: int, actor: User | None = None
) -> Release:
    """From now on these models, which all answer already, are the project's, and `next_round` is handed out.

    Raises Conflict where one of them does not answer.
    """
    with transaction.atomic():
        locked = Project.objects.select_for_update().get(pk=project.pk)
        _cancel_pending(locked)
        release = _release_new(locked, deployments, next_round=next_round, requested_by=actor)
        audit_record(actor, "release.request", release, {"release": release.number, "round": next_round})
        if not release_go_live(release):
            raise Conflict("Not all of these models answer: deploy them first.")
    project.refresh_from_db(fields=["current_round", "release"])
    return release


def release_pairs_withdraw(release: Release, *, actor: User | None) -> int:
    """Withdraw the open pairs that a release wrote, so that nobody is asked to compare its answers any more.

    Those that somebody has judged or holds now stay. Returns how many were withdrawn. Raises Conflict while
    the release answers, for it would go on writing.
    """
    with transaction.atomic():
        project = Project.objects.select_for_update().get(pk=release.project_id)
        if project.release_id == release.pk:
            raise Conflict(
                _("Release %(number)s answers now and would write more: roll back first.")
                % {"number": release.number}
            )
        held = Assignment.objects.filter(
            comparison=OuterRef("pk"), state=Assignment.State.ACTIVE, expires_at__gt=timezone.now()
        )
        waiting = untouched_pairs(project).filter(~Exists(held), left__release=release)
        ids = list(waiting.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True))
        num = Comparison.objects.filter(pk__in=ids).update(state=Comparison.State.WITHDRAWN)
        audit_record(actor, "release.withdraw_pairs", release, {"release": release.number, "pairs": num})
    return num


def untouched_pairs(project: Project) -> QuerySet[Comparison]:
    """The open ones that nobody has judged yet."""
    return Comparison.objects.filter(project=project, state=Comparison.State.OPEN, num_judgements=0)


def project_models_release(project: Project, *, actor: User | None = None) -> list[Deployment]:
    """Let no model answer for the project any more. Returns those retired: not those of other projects."""
    with transaction.atomic():
        locked = Project.objects.select_for_update().get(pk=project.pk)
        _cancel_pending(locked)
        deployments = list(locked.deployments.order_by("pk"))
        locked.deployments.clear()
        Release.objects.filter(project=locked, state=State.LIVE).update(
            state=State.REPLACED, ended_at=timezone.now()
        )
        Project.objects.filter(pk=locked.pk).update(release=None)
        retired = _retire_unneeded(deployments, actor=actor, unmanaged=True)
        names = [deployment.name for deployment in deployments]
        audit_record(actor, "project.retire_models", locked, {"deployments": names})
    project.refresh_from_db(fields=["release"])
    return retired


def release_told(release: Release) -> dict[str, object]:
    """What webhooks tell of a release."""
    return {
        "project": release.project.slug,
        "release": release.number,
        "made_by_round": release.made_by_round,
    }


def _release_new(
    project: Project, deployments: Sequence[Deployment], **values: Any
) -> Release:  # Any: fields
    last = Release.objects.filter(project=project).order_by("-number").first()
    release = Release.objects.create(project=project, number=last.number + 1 if last else 1, **values)
    release.deployments.set(deployments)
    return release


def _served_already(deployment: Deployment) -> Served:
    return Served(
        base_url=deployment.base_url,
        served_name=deployment.served_name,
        canary_difference=deployment.canary_difference,
        canary_tolerance=deployment.canary_tolerance,
    )


def _replace(project: Project, release: Release, members: Sequence[Deployment]) -> None:
    """The moment itself."""
    now = timezone.now()
    before = list(project.deployments.order_by("pk"))
    release.replaces = Release.objects.filter(project=project, state=State.LIVE).first()
    if release.replaces is not None:
        Release.objects.filter(pk=release.replaces.pk).update(state=State.REPLACED, ended_at=now)
    release.state, release.live_at = State.LIVE, now
    release.save(update_fields=["state", "live_at", "replaces"])
    project.deployments.set(members)
    project.release = release
    if release.next_round is not None:
        project.current_round = release.next_round
    project.save(update_fields=["release", "current_round"])
    _retire_unneeded([each for each in before if each not in members])
    names = [deployment.name for deployment in members]
    data = {"deployments": names, "release": release.number, "round": project.current_round}
    audit_record(release.requested_by, "project.deploy", project, data)
    event = Event.DEPLOY_FINISHED if release.restores_id is None else Event.DEPLOY_ROLLED_BACK
    emit(event, release_told(release), project=project.pk)


def _cancel_pending(project: Project) -> None:
    for waiting in Release.objects.select_for_update().filter(project=project, state=State.PENDING):
        _end(waiting, State.CANCELLED, error="Another deploy was asked for before this one was done.")


def _end(release: Release, state: Release.State, *, error: str = "") -> None:
    """End a release that waits, and what was started for it alone."""
    release.state, release.error, release.ended_at = state, error, timezone.now()
    release.save(update_fields=["state", "error", "ended_at"])
    _retire_unneeded(list(release.deployments.exclude(state=Deployment.State.FAILED)))


def _retire_unneeded(
    deployments: Sequence[Deployment], *, actor: User | None = None, unmanaged: bool = False
) -> list[Deployment]:
    """Retire those that answer for no project and wait for none; other people's servers only if asked."""
    retired = []
    for deployment in deployments:
        if not (deployment.managed or unmanaged) or deployment.projects.exists():
            continue
        if deployment.releases.filter(state=State.PENDING).exists():
            continue
        deployment_retire(deployment, actor=actor)
        retired.append(deployment)
    return retired
