"""The versions of a project's guidelines and who has read them, and the examples under them."""

from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services import audit_record
from annotation.models import GuidelineExample, GuidelinesVersion, Membership, Project


def guidelines_version_add(project: Project, actor: User | None) -> None:
    """Keep the guidelines, which have just changed, as a new version.

    Belongs into the transaction of the change, with the project's row locked; its audit row tells of it.
    """
    project.guidelines_number += 1
    project.save(update_fields=["guidelines_number"])
    GuidelinesVersion.objects.create(
        project=project, number=project.guidelines_number, text=project.guidelines, created_by=actor
    )


def guidelines_read(project: Project, user: User, number: int) -> None:
    """The person has opened this version. Neither an older one than before nor who is no member changes
    anything."""
    with transaction.atomic():
        membership = Membership.objects.select_for_update().filter(project=project, user=user).first()
        number = min(number, project.guidelines_number)
        if membership is None or membership.guidelines_read >= number:
            return
        membership.guidelines_read = number
        membership.save(update_fields=["guidelines_read"])
        audit_record(user, "guidelines.read", membership, {"version": number})


def guideline_example_save(example: GuidelineExample, *, actor: User) -> GuidelineExample:
    """Write an example, new or changed. Raises ValidationError where a value is wrong."""
    example.full_clean()
    with transaction.atomic():
        action = "guideline_example.create" if example.pk is None else "guideline_example.update"
        example.save()
        audit_record(actor, action, example, _told(example))
    return example


def guideline_example_delete(example: GuidelineExample, *, actor: User) -> None:
    """Take an example away for good."""
    with transaction.atomic():
        audit_record(actor, "guideline_example.delete", example, _told(example))
        example.delete()


def _told(example: GuidelineExample) -> dict[str, Any]:  # Any: JSON
    """Without its texts, which may have come from somebody's record: erasing would not find them."""
    names = ("preferred", "strength", "position", "active")
    return {"project": example.project_id, **{name: getattr(example, name) for name in names}}
