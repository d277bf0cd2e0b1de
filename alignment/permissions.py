"""Who may see a round and act on it: site admins, and to those outside its project it is not there."""

from typing import TypeVar

from django.db.models import Model, QuerySet

from accounts.errors import Forbidden, NotFound
from accounts.models import User

RowT = TypeVar("RowT", bound=Model)

REFUSAL = "Rounds are for admins."


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
