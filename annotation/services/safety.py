"""What people say is unsafe in each of two answers, checked against the project's categories."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from accounts.errors import Invalid
from annotation.models import Judgement, Project, Side
from annotation.tags import unknown_tags


@dataclass(frozen=True, kw_only=True)
class SafetyFlags:
    """Categories by answer; none where it is safe."""

    left: tuple[str, ...] = ()
    right: tuple[str, ...] = ()


SAFE = SafetyFlags()


def safety_kept(project: Project, flags: SafetyFlags) -> dict[str, list[str]]:
    """As a judgement keeps it: each category once, nothing at all where both answers are safe.

    Raises Invalid where the project does not know a category, or asks about none.
    """
    if not flags.left and not flags.right:
        return {}
    if not project.safety_categories:
        raise Invalid(_("This project does not ask what is unsafe: leave that out."))
    if unknown := unknown_tags([*flags.left, *flags.right], project.safety_categories):
        raise Invalid(
            _("This project knows no safety category %(unknown)r: reload the page, or use one of %(known)s.")
            % {
                "unknown": unknown[0],
                "known": ", ".join(tag["value"] for tag in project.safety_categories),
            }
        )
    return {"left": list(dict.fromkeys(flags.left)), "right": list(dict.fromkeys(flags.right))}


def safety_of(judgement: Judgement) -> dict[str, list[str]]:
    """Both sides, also where nothing is kept."""
    return {side: judgement.safety.get(side, []) for side in Side.values}
