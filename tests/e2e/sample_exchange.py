"""Filters under a name, and imports in every state, for the page that shows them."""

from datetime import timedelta

from django.utils import timezone

from accounts.models import User
from annotation.filters import PreferenceFilter
from annotation.models import ImportJob, Project
from annotation.records import Strength
from annotation.services.exchange import filter_save

REFUSALS = [
    "line 17: the same speaker twice: user",
    "line 1 840: a field is too large: annotator has more than 100 characters",
    "data/train-00003-of-00012.parquet, row 99 312: unknown strength: "
    "'Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft'",
]


def make_exchange(project: Project, admin: User) -> None:
    """Two filters and four imports."""
    strong = PreferenceFilter(strengths=(Strength.SIGNIFICANTLY_BETTER, Strength.BETTER))
    filter_save(project, "Strong grades", strong, actor=admin)
    edited = PreferenceFilter(edited_only=True, languages=("ar", "zh"))
    filter_save(project, "Edited answers in languages that are not written like English", edited, actor=admin)
    now = timezone.now()
    common = {"project": project, "kind": ImportJob.Kind.PREFERENCES, "created_by": admin}
    ImportJob.objects.create(
        **common,
        file_name="preferences-of-everybody-who-was-ever-asked-final-2-really-final.parquet",
        num_bytes=193_000_000,
        state=ImportJob.State.FINISHED,
        read=482_113,
        kept=470_002,
        already_there=11_900,
        refused=[["the same speaker twice", 180], ["unknown strength", 31]],
        refusals=REFUSALS,
        finished_at=now,
    )
    ImportJob.objects.create(
        **common,
        file_name="old.csv",
        num_bytes=4_000,
        state=ImportJob.State.FAILED,
        error="The file cannot be read: No such file or directory. Upload it again.",
        finished_at=now,
    )
    lost = {"state": ImportJob.State.RUNNING, "seen_at": now - timedelta(hours=1)}
    ImportJob.objects.create(**common, **lost, file_name="lost.jsonl.gz", num_bytes=81_000)
    ImportJob.objects.create(
        **common,
        file_name="hh.jsonl.gz",
        num_bytes=8_100_000,
        state=ImportJob.State.RUNNING,
        read=61_400,
        seen_at=now + timedelta(minutes=10),
    )
