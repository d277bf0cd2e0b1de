"""Who may do what in a project. A global admin may do everything in all of them.

To those outside a project nothing of it is there; inside it, what one may not do is refused.
"""

from django.db.models import Exists, OuterRef, QuerySet
from django.utils.translation import gettext as _

from accounts.errors import Forbidden, NotFound
from accounts.models import Role, User
from accounts.rows import columns, fetch_one, load
from annotation.models import Membership, Project

ANNOTATE = frozenset({Role.ANNOTATOR, Role.REVIEWER, Role.ADMIN})
REVIEW = frozenset({Role.REVIEWER, Role.ADMIN})
ADMINISTER = frozenset({Role.ADMIN})

# By hand for the same reason as in annotation.services.statements: it opens every request of an annotator.
WITH_OWN_ROLE = f"""
SELECT {columns(Project, "p")}, m.role FROM annotation_project p
LEFT JOIN annotation_membership m ON m.project_id = p.id AND m.user_id = %(user)s
WHERE p.slug = %(slug)s
"""


def project_for(user: User, slug: str, roles: frozenset[Role] = ANNOTATE) -> Project:
    """The project, if `user` has one of `roles` in it; one query.

    Raises NotFound where there is no such project for this person, Forbidden where their role is another.
    """
    row = fetch_one(WITH_OWN_ROLE, {"user": user.pk, "slug": slug})
    if row is None or (row[-1] is None and not user.is_admin):
        raise NotFound(_("There is no project %(slug)r for you: look at your own projects.") % {"slug": slug})
    if not user.is_admin and row[-1] not in roles:
        raise Forbidden(_refusal(slug, roles))
    return load(Project, row)


def has_role(user: User, project: Project, roles: frozenset[Role]) -> bool:
    """Whether `user` has one of `roles` in the project."""
    return user.is_admin or Membership.objects.filter(project=project, user=user, role__in=roles).exists()


def require_role(user: User, project: Project, roles: frozenset[Role], *, missing: str) -> None:
    """Raises NotFound with the sentence `missing` for those outside, Forbidden for those of other roles."""
    if user.is_admin:
        return
    role = Membership.objects.filter(project=project, user=user).values_list("role", flat=True).first()
    if role is None:
        raise NotFound(missing)
    if role not in roles:
        raise Forbidden(_refusal(project.slug, roles))


def projects_of(user: User) -> QuerySet[Project]:
    """The projects that `user` may see."""
    if user.is_admin:
        return Project.objects.all()
    return Project.objects.filter(Exists(Membership.objects.filter(project=OuterRef("pk"), user=user)))


def _refusal(slug: str, roles: frozenset[Role]) -> str:
    either = _("or")
    needed = f" {either} ".join(sorted(role.label.lower() for role in roles))
    words = _("Project %(slug)r is not open to you for this: ask an admin to make you its %(roles)s.")
    return words % {"slug": slug, "roles": needed}
