"""Agreeing to see a project's sensitive content, and taking that back at any time."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.errors import Forbidden
from accounts.models import User
from accounts.services import audit_record
from annotation.models import Membership, Project
from annotation.services.leasing import held_put_aside


def sensitive_opt(project: Project, user: User, *, agree: bool) -> None:
    """The person agrees to see the content, or no longer does: what they hold then goes to others.

    Its draft is kept. Raises Forbidden for who is no member.
    """
    with transaction.atomic():
        membership = Membership.objects.select_for_update().filter(project=project, user=user).first()
        if membership is None:
            raise Forbidden(_("Only members of the project work in it: ask to be made one."))
        membership.opted_in_at = timezone.now() if agree else None
        membership.save(update_fields=["opted_in_at"])
        if not agree:
            held_put_aside(project, user)
        audit_record(user, "membership.opt_in" if agree else "membership.opt_out", membership, {})
