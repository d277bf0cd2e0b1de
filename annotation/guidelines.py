"""Reads over a project's guidelines: what a person is shown of them, and how they came to be."""

from django.db.models import QuerySet

from accounts.models import User
from annotation.models import GuidelineExample, GuidelinesVersion, Membership, Project


def guidelines_shown(project: Project, user: User) -> dict[str, object]:
    """What the guidelines panel needs: the examples, and the text that the person read last if it changed.

    `before` is None where they have read what is there, or are no member. Examples of a sensitive project
    are for those alone who agreed to see its content. Three queries at most.
    """
    member = Membership.objects.filter(project=project, user=user).first()
    may_see = not project.sensitive or (member is not None and member.opted_in_at is not None)
    before = None
    if member is not None and member.guidelines_read < project.guidelines_number:
        read = project.guidelines_versions.filter(number=member.guidelines_read).first()
        before = "" if read is None else read.text
    return {
        "examples": project.guideline_examples.filter(active=True) if may_see else [],
        "before": before,
    }


def guidelines_versions(project: Project) -> QuerySet[GuidelinesVersion]:
    """All of them, the newest first, with who wrote each."""
    return project.guidelines_versions.select_related("created_by")


def guideline_examples(project: Project) -> QuerySet[GuidelineExample]:
    """All of them as people see them in order, those put aside as well."""
    return project.guideline_examples.all()
