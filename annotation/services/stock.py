"""The stock of a live project: fresh pairs from its prompt set, ahead of the people who are at work."""

import logging
import secrets

from django.db import connection
from django.db.models import Exists, OuterRef
from django.utils import timezone

from accounts.errors import AccordError
from accounts.process_cache import process_cache
from annotation.asking import ClientFor, impatient_client
from annotation.models import Assignment, Comparison, Project, Wait
from annotation.pairing import Sampling, comparisons_generate
from annotation.services.statements import STALE

logger = logging.getLogger(__name__)

LOCK_SPACE = 0x53544F43
MOST_AT_ONCE = 20
REST_SECONDS = 60
"""After trouble: prompts that give no pair, or models that are away, are not asked again before that."""
SEED_BITS = 62


def people_at_work(project: Project) -> int:
    """How many hold a comparison of the project now, or look for one in vain."""
    now = timezone.now()
    holders = Assignment.objects.filter(
        project=project, state=Assignment.State.ACTIVE, expires_at__gt=now
    ).values_list("annotator", flat=True)
    waiting = Wait.objects.filter(project=project, since__isnull=False, seen_at__gt=now - STALE).values_list(
        "annotator", flat=True
    )
    return len({*holders, *waiting})


def stock_missing(project: Project) -> int:
    """How many fresh pairs are still to be made, so that each person at work has `live_ahead` before them."""
    wanted = project.live_ahead * people_at_work(project)
    if not wanted:
        return 0
    fresh = Comparison.objects.filter(
        ~Exists(Assignment.objects.filter(comparison=OuterRef("pk"))),
        project=project,
        round=project.current_round,
        state=Comparison.State.OPEN,
    )
    return max(wanted - fresh[:wanted].count(), 0)


def stock_fill(project_id: int, *, client_for: ClientFor = impatient_client) -> None:
    """Make what is missing; one worker at a time for each project. Trouble is logged, and rested after."""
    project = Project.objects.filter(pk=project_id, live=True).first()
    if project is None or process_cache.get(f"stock-rests/{project_id}"):
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", [LOCK_SPACE, project_id])
        if not cursor.fetchone()[0]:
            return
        try:
            while missing := stock_missing(project):
                comparisons_generate(
                    project,
                    num_comparisons=min(missing, MOST_AT_ONCE),
                    round_number=project.current_round,
                    sampling=Sampling(
                        temperature=project.temperature,
                        top_p=project.top_p,
                        max_tokens=project.max_tokens,
                        seed=secrets.randbits(SEED_BITS),
                    ),
                    client_for=client_for,
                    min_batch=1,
                )
                # A deploy may have begun another round meanwhile.
                project.refresh_from_db(fields=["current_round"])
        except AccordError as error:
            logger.warning("No pairs ahead for %s: %s", project, error)
            process_cache.set(f"stock-rests/{project_id}", True, REST_SECONDS)
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", [LOCK_SPACE, project_id])


def projects_short() -> list[int]:
    """The live projects that lack pairs for the people at work."""
    return [project.pk for project in Project.objects.filter(live=True) if stock_missing(project)]
