"""A project's people: memberships, and accounts for programs that annotate."""

from dataclasses import dataclass

from django.contrib.auth.hashers import make_password
from django.db import transaction

from accounts.models import ApiToken, Role, User
from accounts.services import audit_record, token_build
from annotation.models import Membership, Project


@dataclass(frozen=True, kw_only=True)
class NewAnnotator:
    """An account just made, with the secret of its token: shown now and never again."""

    username: str
    pseudonym: str
    token: str


def membership_set(project: Project, user: User, role: Role, *, actor: User | None = None) -> Membership:
    """Give `user` this role in the project, in place of the one before."""
    with transaction.atomic():
        membership, _ = Membership.objects.update_or_create(
            project=project,
            user=user,
            defaults={"role": role},
            create_defaults={"role": role, "guidelines_read": project.guidelines_number},
        )
        audit_record(actor, "membership.set", membership, {"user": user.username, "role": role})
    return membership


def annotators_create(project: Project, count: int, *, actor: User | None = None) -> list[NewAnnotator]:
    """Make `count` annotators of the project, each with an API token and no password."""
    stem = f"{project.slug}-annotator-"
    taken = set(User.objects.filter(username__startswith=stem).values_list("username", flat=True))
    names = (f"{stem}{number}" for number in range(1, len(taken) + count + 1))
    with transaction.atomic():
        users = User.objects.bulk_create(
            User(username=name, password=make_password(None))
            for name in [name for name in names if name not in taken][:count]
        )
        Membership.objects.bulk_create(
            Membership(
                project=project,
                user=user,
                role=Role.ANNOTATOR,
                guidelines_read=project.guidelines_number,
            )
            for user in users
        )
        tokens = [token_build(user, name="create_annotators") for user in users]
        ApiToken.objects.bulk_create(token for token, _ in tokens)
        audit_record(actor, "annotators.create", project, {"usernames": [user.username for user in users]})
    return [
        NewAnnotator(username=user.username, pseudonym=user.pseudonym, token=secret)
        for user, (_, secret) in zip(users, tokens, strict=True)
    ]
