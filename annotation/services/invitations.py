"""Inviting people: a link makes one account with its role and projects, once, in time, unless revoked."""

import secrets
from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.errors import Conflict, Forbidden, Gone, NotFound
from accounts.models import Role, User
from accounts.services import audit_record, secret_digest, user_create
from annotation.models import Invitation, Project
from annotation.services.people import membership_set


def invitation_create(
    *,
    role: Role,
    expires_at: datetime,
    actor: User,
    note: str = "",
    projects: Iterable[Project] = (),
    project_role: Role = Role.ANNOTATOR,
) -> tuple[Invitation, str]:
    """Make an invitation. Its secret is returned here and never again.

    Raises Forbidden where `actor` is no admin of the whole site.
    """
    if not actor.is_admin:
        raise Forbidden(_("Only admins of the whole site invite people: ask one of them."))
    secret = secrets.token_urlsafe(32)
    invitation = Invitation(
        digest=secret_digest(secret),
        note=note,
        role=role,
        project_role=project_role,
        expires_at=expires_at,
        created_by=actor,
    )
    with transaction.atomic():
        invitation.save()
        invitation.projects.set(projects)
        data = {"role": role, "projects": sorted(project.slug for project in invitation.projects.all())}
        audit_record(actor, "invitation.create", invitation, data)
    return invitation, secret


def invitation_revoke(invitation: Invitation, *, actor: User) -> None:
    """The link is worth nothing from now on. Raises Conflict where it made an account already."""
    with transaction.atomic():
        invitation = Invitation.objects.select_for_update().get(pk=invitation.pk)
        if invitation.accepted_at is not None:
            raise Conflict(_("The invitation was accepted before: remove the person from projects instead."))
        if invitation.revoked_at is None:
            invitation.revoked_at = timezone.now()
            invitation.save(update_fields=["revoked_at"])
            audit_record(actor, "invitation.revoke", invitation, {})


def invitation_find(secret: str) -> Invitation:
    """The open invitation with this secret. Raises NotFound or Gone, with what to do."""
    invitation = Invitation.objects.select_related("created_by").filter(digest=secret_digest(secret)).first()
    return _open(invitation)


def invitation_accept(
    secret: str, *, username: str, password: str | None, email: str = "", by: str = "password"
) -> User:
    """Make the account that was offered, with its memberships.

    Raises NotFound or Gone where the invitation is not open, Conflict where the name is taken, Invalid where
    the password is too weak; then it stays open.
    """
    with transaction.atomic():
        found = Invitation.objects.select_for_update(of=("self",)).select_related("created_by")
        invitation = _open(found.filter(digest=secret_digest(secret)).first())
        inviter = invitation.created_by
        user = user_create(
            username=username, role=Role(invitation.role), password=password, email=email, actor=inviter
        )
        for project in invitation.projects.order_by("pk"):
            membership_set(project, user, Role(invitation.project_role), actor=inviter)
        invitation.accepted_at, invitation.accepted_by = timezone.now(), user
        invitation.save(update_fields=["accepted_at", "accepted_by"])
        audit_record(user, "invitation.accept", invitation, {"user": username, "by": by})
    return user


def invitations_forget(user: User, note: str) -> None:
    """Put `note` in the place of what an erased person was called by who invited them."""
    Invitation.objects.filter(accepted_by=user).exclude(note="").update(note=note)


def _open(invitation: Invitation | None) -> Invitation:
    if invitation is None:
        raise NotFound(
            _("There is no such invitation: copy the whole link, or ask who invited you for another.")
        )
    match invitation.state:
        case Invitation.State.ACCEPTED:
            raise Gone(_("This invitation has been used: log in with the account that it made."))
        case Invitation.State.REVOKED:
            raise Gone(_("This invitation was revoked: ask who invited you for another."))
        case Invitation.State.EXPIRED:
            raise Gone(_("This invitation has expired: ask who invited you for another."))
    if not invitation.created_by.is_admin:
        raise Gone(_("Who invited you may invite nobody any more: ask an admin of this site for another."))
    return invitation
