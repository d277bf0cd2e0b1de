"""Who may see a round and act on it: site admins, and to those outside its project it is not there."""

from typing import TypeVar

from django.db.models import Model, QuerySet

from accounts.errors import Forbidden, NotFound
from accounts.models import User
from alignment.models import Program, Round
from annotation.models import Project

RowT = TypeVar("RowT", bound=Model)

REFUSAL = "Rounds are for admins."
DEPLOYMENTS_REFUSAL = "Deployments are for admins: people judge without knowing the models."


def admins_row(user: User, rows: QuerySet[RowT], pk: int, *, project: str) -> RowT:
    """The row of `rows` for a site admin; `project` is the lookup that leads from it to its project.

    Raises NotFound where it is not there or belongs to a project that the person is not in, Forbidden for
    everybody else who is no admin.
    """
    row = rows.filter(pk=pk).first()
    if user.is_admin and row is not None:
        return row
    if row is not None and rows.filter(pk=pk, **{f"{project}__memberships__user": user}).exists():
        raise Forbidden(REFUSAL)
    raise NotFound(f"There is no {rows.model._meta.verbose_name} {pk} for you: the address may be wrong.")


def rounds_seen(user: User, number: int = 0) -> None:
    """Raises Forbidden for who may not see the list of rounds."""
    if not user.is_admin:
        raise Forbidden(REFUSAL)


def round_seen(user: User, pk: int) -> None:
    """Raises NotFound or Forbidden for who may not see the round."""
    admins_row(user, Round.objects.only("pk"), pk, project="project")


def program_seen(user: User, pk: int) -> None:
    """Raises NotFound or Forbidden for who may not see the program."""
    admins_row(user, Program.objects.only("pk"), pk, project="stage__round__project")


def admins_project(user: User, slug: str) -> Project:
    """The project for a site admin who looks after its models.

    Raises NotFound where it is not there or the person is not in it, Forbidden for everybody else.
    """
    project = Project.objects.filter(slug=slug).first()
    if user.is_admin and project is not None:
        return project
    if project is not None and project.memberships.filter(user=user).exists():
        raise Forbidden(DEPLOYMENTS_REFUSAL)
    raise NotFound(f"There is no project {slug!r} for you: the address may be wrong.")
