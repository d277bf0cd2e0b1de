"""Projects: making one."""

from django.db import transaction

from accounts.errors import Conflict
from accounts.models import User
from accounts.services import audit_record
from annotation.models import Project
from annotation.services.guidelines import guidelines_version_add


def project_create(
    *,
    slug: str,
    name: str = "",
    description: str = "",
    guidelines: str = "",
    overlap: int = 1,
    lease_seconds: int = 600,
    max_tokens: int = 256,
    licence: str = "",
    edit_share: float = 0.05,
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
        licence=licence,
        edit_share=edit_share,
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
