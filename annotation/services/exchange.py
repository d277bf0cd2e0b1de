"""Writes around exports: filters under a name, and a note of who took what."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from accounts.errors import Invalid, NotFound
from accounts.models import User
from accounts.services import audit_record
from annotation.exporting.manifest import Manifest
from annotation.filters import PreferenceFilter
from annotation.models import Project, SavedFilter
from annotation.text import storable
from webhooks.events import Event
from webhooks.services import emit

MAX_SAVED = 200


def filter_save(project: Project, name: str, chosen: PreferenceFilter, *, actor: User | None) -> SavedFilter:
    """Keep the filter under its name, in place of an earlier one.

    Raises Invalid for a name that cannot be.
    """
    name = " ".join(name.split())
    if not name or len(name) > 100 or not storable(name):
        raise Invalid(_("Give the filter a name of 1 to 100 characters."))
    with transaction.atomic():
        saved, _created = SavedFilter.objects.update_or_create(
            project=project, name=name, defaults={"chosen": chosen.as_json(), "created_by": actor}
        )
        if SavedFilter.objects.filter(project=project).count() > MAX_SAVED:
            raise Invalid(_("A project keeps %d filters at most: delete one first.") % MAX_SAVED)
        audit_record(actor, "filter.save", saved, {"name": name, "filter": saved.chosen})
    return saved


def filter_delete(project: Project, name: str, *, actor: User | None) -> None:
    """Forget a filter. Raises NotFound."""
    with transaction.atomic():
        saved = _saved(project, name)
        audit_record(actor, "filter.delete", saved, {"name": name})
        saved.delete()


def filter_named(project: Project, name: str) -> PreferenceFilter:
    """The filter of this name. Raises NotFound."""
    return PreferenceFilter.model_validate(_saved(project, name).chosen)


def export_note(project: Project, about: dict[str, Any], *, actor: User | None) -> None:  # Any: JSON
    """Write down that somebody takes the project's judgements out."""
    audit_record(actor, "preferences.export", project, about)


def export_tell(project: Project, manifest: Manifest) -> None:
    """Let webhooks know that a whole export has been written: to a file, or to who asked for it."""
    told = {"format", "encoding", "judgements", "rows", "files"}
    data = {"project": project.slug, **manifest.model_dump(mode="json", include=told)}
    with transaction.atomic():
        emit(Event.EXPORT_READY, data, project=project.pk)


def _saved(project: Project, name: str) -> SavedFilter:
    found = SavedFilter.objects.filter(project=project, name=name).first() if storable(name) else None
    if found is None:
        raise NotFound(_("There is no filter %(name)r in this project.") % {"name": name})
    return found
