"""What admins change on a project's pages: its settings, and who leaves it."""

from decimal import Decimal
from typing import Any

from django.db import transaction

from accounts.models import User
from accounts.services import audit_record
from annotation.models import Assignment, Membership, Project
from annotation.services.guidelines import guidelines_version_add
from annotation.services.leasing import HOLDING

QUALITY_SETTINGS = (
    "gold_share",
    "check_feedback",
    "qualification_needed",
    "qualification_pass",
    "pause_below",
    "pause_after",
    "edit_share",
    "edit_people",
    "overlap_mode",
    "overlap_most",
    "certainty",
)
SETTINGS = frozenset(
    {
        *("name", "description", "guidelines", "overlap", "lease_seconds", "licence"),
        *("temperature", "top_p", "max_tokens", "reasons"),
        *("sensitive", "exposure_cap", "support_text"),
        *("judgements_wanted", "currency", "pay_per_judgement", "pay_per_hour", "fair_pay_per_hour"),
        "mask_personal_data",
        *("live", "live_ahead"),
        "safety_categories",
    }
).union(QUALITY_SETTINGS)


def project_update(project: Project, *, actor: User, **settings: Any) -> Project:
    """Change the given settings; those not named stay. The audit row has what was and what is now.

    Raises ValidationError where a value is wrong.
    """
    assert settings.keys() <= SETTINGS, settings.keys() - SETTINGS
    with transaction.atomic():
        locked = Project.objects.select_for_update().get(pk=project.pk)
        changes = {
            name: [getattr(locked, name), value]
            for name, value in settings.items()
            if getattr(locked, name) != value
        }
        for name, (_, value) in changes.items():
            setattr(locked, name, value)
        locked.full_clean()
        if changes:
            locked.save(update_fields=list(changes))
            if "guidelines" in changes:
                guidelines_version_add(locked, actor)
            plain = {name: [_plain(value) for value in values] for name, values in changes.items()}
            audit_record(actor, "project.update", locked, {"changes": plain})
    return locked


def membership_remove(membership: Membership, *, actor: User) -> None:
    """The person leaves the project: what they hold goes to others, what they judged stays."""
    with transaction.atomic():
        Assignment.objects.filter(
            project=membership.project, annotator=membership.user, state__in=HOLDING
        ).update(state=Assignment.State.EXPIRED)
        data = {"user": membership.user.username, "role": membership.role}
        audit_record(actor, "membership.remove", membership.project, data)
        membership.delete()


def _plain(value: Any) -> Any:  # Any: a setting, in and out
    """As JSON takes it."""
    return str(value) if isinstance(value, Decimal) else value
