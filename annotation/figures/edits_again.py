"""How edits did when somebody else judged them again, blindly, against what they were made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection
from django.db.models import Count, Q

from accounts.models import User
from annotation.agreement.bias import Share, wilson
from annotation.models import Check, Judgement, Project, Side

OUTCOMES = """
SELECT judged.editor, count(*) FILTER (WHERE judged.ahead > 0), count(*) FILTER (WHERE judged.ahead = 0),
    count(*) FILTER (WHERE judged.ahead < 0)
FROM (
    SELECT e.annotator_id AS editor,
        sum(CASE WHEN (j.preferred = 'left') = (c.left_id = k.better_id) THEN 1 ELSE -1 END) AS ahead
    FROM annotation_check k
    JOIN annotation_judgement e ON e.id = k.judgement_id
    JOIN annotation_comparison c ON c.of_check_id = k.id
    JOIN annotation_judgement j ON j.comparison_id = c.id
    WHERE k.project_id = %(project)s AND k.kind = 'edit' AND j.standing = 'counted'
    GROUP BY k.id, e.annotator_id
) judged
GROUP BY judged.editor
"""

LOST = """
SELECT k.id FROM annotation_check k
JOIN annotation_judgement e ON e.id = k.judgement_id
JOIN annotation_prompt p ON p.id = k.prompt_id
JOIN annotation_comparison c ON c.of_check_id = k.id
JOIN annotation_judgement j ON j.comparison_id = c.id
WHERE k.project_id = %(project)s AND k.kind = 'edit' AND p.erased_at IS NULL
    AND j.standing = 'counted'
    AND (%(editor)s::bigint IS NULL OR e.annotator_id = %(editor)s)
GROUP BY k.id
HAVING sum(CASE WHEN (j.preferred = 'left') = (c.left_id = k.better_id) THEN 1 ELSE -1 END) < 0
ORDER BY k.id DESC
"""


@dataclass(frozen=True, kw_only=True)
class EditsAgain:
    """Edits that were judged again, by how they did; of one person or of all."""

    won: int = 0
    tied: int = 0
    """As many of those who judged it again were against it as for it."""
    lost: int = 0

    @property
    def num(self) -> int:
        """How many edits."""
        return self.won + self.tied + self.lost

    @property
    def win_share(self) -> Share | None:
        """The share that won, with Wilson's 95% interval; None without any."""
        return wilson(self.won, self.num)

    @property
    def loss_share(self) -> Share | None:
        """The share that lost, likewise."""
        return wilson(self.lost, self.num)

    @property
    def stands_out(self) -> bool:
        """Whether fewer won than chance would give, by the whole interval."""
        share = self.win_share
        return share is not None and share.high < 0.5


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What somebody said who judged an edit again."""

    judgement: Judgement
    for_edit: bool


@dataclass(frozen=True, kw_only=True)
class LostEdit:
    """An edit that lost, for a look."""

    check: Check
    edited: Judgement
    """The judgement with the edit."""
    verdicts: Sequence[Verdict]
    num_counted: int
    """How many judgements of the edited comparison count."""

    @property
    def texts(self) -> dict[str, str]:
        """What the edit was made of, and what it made of it."""
        return {"before": self.check.worse.content, "after": self.check.better.content}

    @property
    def is_decided(self) -> bool:
        """Whether a reviewer's decision stands in the place of the edited judgement."""
        return self.edited.standing == Judgement.Standing.SUPERSEDED

    @property
    def may_leave_out(self) -> bool:
        """Whether the edited judgement is the only one that counts."""
        return self.edited.standing == Judgement.Standing.COUNTED and self.num_counted == 1


def edits_again(project: Project) -> Mapping[int, EditsAgain]:
    """By the id of who edited; of erased ones, too."""
    with connection.cursor() as cursor:
        cursor.execute(OUTCOMES, {"project": project.pk})
        return {
            editor: EditsAgain(won=won, tied=tied, lost=lost) for editor, won, tied, lost in cursor.fetchall()
        }


def edits_again_total(people: Mapping[int, EditsAgain]) -> EditsAgain:
    """Of everybody."""
    return EditsAgain(
        won=sum(person.won for person in people.values()),
        tied=sum(person.tied for person in people.values()),
        lost=sum(person.lost for person in people.values()),
    )


def edits_again_named(people: Mapping[int, EditsAgain]) -> list[tuple[User, EditsAgain]]:
    """With who they are, the smallest share that won first."""
    users = User.objects.in_bulk(list(people))
    found = [(users[pk], figures) for pk, figures in people.items()]
    return sorted(found, key=lambda each: (each[1].won / each[1].num, -each[1].num, each[0].username))


def lost_edit_ids(project: Project, editor: int | None = None) -> list[int]:
    """Checks of the edits that lost and whose texts are there, the newest first; of one person or of all."""
    with connection.cursor() as cursor:
        cursor.execute(LOST, {"project": project.pk, "editor": editor})
        return [pk for (pk,) in cursor.fetchall()]


def lost_edits(ids: Sequence[int]) -> list[LostEdit]:
    """These checks with all that there is to see, in this order."""
    found = (
        Check.objects.filter(pk__in=ids)
        .select_related("prompt", "better", "worse", "judgement__annotator", "judgement__comparison")
        .prefetch_related("comparisons__judgements__annotator")
        .annotate(
            num_counted=Count(
                "judgement__comparison__judgements",
                filter=Q(judgement__comparison__judgements__standing=Judgement.Standing.COUNTED),
            )
        )
    )
    by_id = {check.pk: check for check in found}
    lost = []
    for check in (by_id[pk] for pk in ids if pk in by_id):
        assert check.judgement is not None, check
        verdicts = [
            Verdict(
                judgement=said, for_edit=(said.preferred == Side.LEFT) == (made.left_id == check.better_id)
            )
            for made in check.comparisons.all()
            for said in made.judgements.all()
            if said.standing == Judgement.Standing.COUNTED
        ]
        lost.append(
            LostEdit(check=check, edited=check.judgement, verdicts=verdicts, num_counted=check.num_counted)
        )
    return lost
