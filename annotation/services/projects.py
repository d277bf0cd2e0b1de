"""Projects: making one, and giving it the models that answer."""

from collections.abc import Sequence

from django.db import transaction

from accounts.errors import Conflict
from accounts.models import User
from accounts.services import audit_record
from annotation.models import Project
from annotation.services.guidelines import guidelines_version_add
from registry.models import Deployment


def project_create(
    *,
    slug: str,
    name: str = "",
    description: str = "",
    guidelines: str = "",
    overlap: int = 1,
    lease_seconds: int = 600,
    max_tokens: int = 256,
    actor: User | None = None,
) -> Project:
    """Make a project. Raises Conflict where the slug is taken, ValidationError where a value is wrong."""
    project = Project(
        slug=slug,
        name=name or slug,
        description=description,
        guidelines=guidelines,
        overlap=overlap,
        lease_seconds=lease_seconds,
        max_tokens=max_tokens,
    )
    if Project.objects.filter(slug=slug).exists():
        raise Conflict(f"There is a project {slug!r} already: choose another slug.")
    project.full_clean()
    with transaction.atomic():
        project.save()
        if guidelines:
            guidelines_version_add(project, actor)
        audit_record(actor, "project.create", project, {"slug": slug})
    return project


def project_deploy(
    project: Project, deployments: Sequence[Deployment], *, next_round: int, actor: User | None = None
) -> None:
    """From now on these models answer, and their comparisons are handed out as round `next_round`."""
    with transaction.atomic():
        locked = Project.objects.select_for_update().get(pk=project.pk)
        locked.deployments.set(deployments)
        locked.current_round = next_round
        locked.save(update_fields=["current_round"])
        names = [deployment.name for deployment in deployments]
        audit_record(actor, "project.deploy", locked, {"deployments": names, "round": next_round})
    project.refresh_from_db(fields=["current_round"])
