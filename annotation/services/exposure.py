"""Who may be handed sensitive content, and how much of it a day; asked only in sensitive projects."""

from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.errors import Forbidden
from accounts.models import User
from annotation.models import Assignment, Membership, Project


class NotOptedIn(Forbidden):
    """The person has not agreed to see the project's content, or no longer does."""


class ExposureReached(Forbidden):
    """The person has seen as much as one may in a day."""


def opted_in(project: Project, annotator: User) -> bool:
    """Whether the person agreed to see the content of this sensitive project; one query."""
    return Membership.objects.filter(project=project, user=annotator, opted_in_at__isnull=False).exists()


def refuse_not_opted_in(project: Project, member: Membership | None) -> None:
    """Raises NotOptedIn where the project is sensitive and the person has not agreed to that."""
    if project.sensitive and (member is None or member.opted_in_at is None):
        raise NotOptedIn(
            _("This project shows content that can be hard to bear: agree to that on its page first.")
        )


def refuse_overexposed(project: Project, annotator: User) -> None:
    """Raises ExposureReached where the person has been handed as many comparisons today as one may."""
    if not project.sensitive or not project.exposure_cap:
        return
    midnight = timezone.localtime().replace(hour=0, minute=0, second=0, microsecond=0)
    handed = Assignment.objects.filter(annotator=annotator, project=project, created_at__gte=midnight)
    if handed.count() >= project.exposure_cap:
        words = _("You have seen %(n)d of these today. That is enough for a day: thank you, go on tomorrow.")
        raise ExposureReached(words % {"n": project.exposure_cap})
