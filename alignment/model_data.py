"""What a round's snapshot holds, counted: by person, domain, language, strength and round.

A snapshot never changes, so it is counted once, when it is made. People are kept by their id: one who is
renamed or erased is called what they are called now.
"""

from collections import Counter
from dataclasses import dataclass

from django.db import connection

from accounts.models import User
from alignment.models import Snapshot
from annotation.records import Strength

Counts = list[tuple[str, int]]
"""Names with their numbers, the largest first."""
Row = tuple[int, str, str, str, int, int]
"""A person's id, domain, language, strength, round, and how many judgements."""

COUNTED = """
SELECT j.annotator_id, p.domain, p.language, j.strength, c.round, count(*)
FROM alignment_snapshot_judgements held
JOIN annotation_judgement j ON j.id = held.judgement_id
JOIN annotation_comparison c ON c.id = j.comparison_id
JOIN annotation_dialog d ON d.id = c.dialog_id
JOIN annotation_prompt p ON p.id = d.prompt_id
WHERE held.snapshot_id = %(snapshot)s
GROUP BY 1, 2, 3, 4, 5
"""


@dataclass(frozen=True, kw_only=True)
class SnapshotData:
    """Judgements of a snapshot, those held out included."""

    total: int
    by_annotator: Counts
    by_domain: Counts
    by_language: Counts
    by_strength: Counts
    """Strongest first."""
    by_round: Counts
    """Of the comparisons, oldest first."""


def snapshot_count(snapshot: Snapshot) -> None:
    """Count the snapshot's judgements and keep the numbers with it."""
    snapshot.counts = _counted(snapshot)
    snapshot.save(update_fields=["counts"])


def snapshot_data(snapshot: Snapshot) -> SnapshotData:
    """The snapshot, counted. One statement, two where it was never counted."""
    rows: list[Row] = snapshot.counts if snapshot.counts is not None else _counted(snapshot)
    ids: Counter[int] = Counter()
    domains: Counter[str] = Counter()
    languages: Counter[str] = Counter()
    strengths: Counter[str] = Counter()
    rounds: Counter[int] = Counter()
    for person, domain, language, strength, round_number, number in rows:
        ids[person] += number
        domains[domain] += number
        languages[language] += number
        strengths[strength] += number
        rounds[round_number] += number
    names = dict(User.objects.filter(pk__in=ids).values_list("pk", "username"))
    people = Counter({names[pk]: number for pk, number in ids.items()})
    return SnapshotData(
        total=sum(people.values()),
        by_annotator=_largest_first(people),
        by_domain=_largest_first(domains),
        by_language=_largest_first(languages),
        by_strength=[(each.value, strengths[each]) for each in Strength if strengths[each]],
        by_round=[(str(number), rounds[number]) for number in sorted(rounds)],
    )


def _counted(snapshot: Snapshot) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(COUNTED, {"snapshot": snapshot.pk})
        return cursor.fetchall()


def _largest_first(counts: Counter[str]) -> Counts:
    return sorted(counts.items(), key=lambda row: (-row[1], row[0]))
