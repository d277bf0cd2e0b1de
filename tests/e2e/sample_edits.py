"""Edits of the sample site that somebody else has judged again: two won, two lost."""

from datetime import timedelta

from django.utils import timezone

from accounts.models import Role, User
from accounts.services import user_create
from annotation.models import Assignment, Judgement, Project, Prompt, Response, Side
from annotation.records import Strength
from annotation.services import Verdict, comparison_create, comparison_next, judgement_submit, membership_set
from annotation.services.checking import check_give
from annotation.services.checks import MODEL_NAME
from annotation.services.edit_checks import edit_check_create
from annotation.services.statements import at_work

QUESTION = "Why does bread rise, and what does the salt do in it? I bake twice a week."
CHOSEN = """\
Yeast eats sugars that enzymes make out of the flour's starch, and gives off **carbon dioxide**. The gas is
caught in the net of gluten, and the dough grows.

- *Salt* tightens that net, slows the yeast down, and brings out the taste.
- About 2% of the flour's weight is usual: 10 g for 500 g.
"""
REJECTED = "Bread rises because of the yeast. Salt is for taste."
EDITED = """\
Yeast eats sugars that enzymes make out of the flour's starch, and gives off **carbon dioxide** and a little
alcohol. The gas is caught in the net of gluten, and the dough grows until the oven's heat sets it.

- *Salt* tightens that net and brings out the taste.
- About 5% of the flour's weight is usual: 25 g for 500 g.
- Never let salt touch the yeast, for it dies at once.
"""
COMMENT = "Five per cent is far too salty, and salt that touches yeast for a minute does it no harm."


def make_edits_judged_again(project: Project) -> None:
    """Those of everybody in the project and one by `ines`; `nadia` judges them all."""
    ines, nadia = user_create(username="ines"), user_create(username="nadia")
    for person in (ines, nadia):
        membership_set(project, person, Role.ANNOTATOR)
    _edit(project, ines)
    for number, edited in enumerate(Judgement.objects.filter(edit__isnull=False).order_by("pk")):
        edit_check_create(edited, edited.comparison, edited.edit.content)
        _judge_again(project, nadia, edited, is_for_edit=number in (0, 2), comment=COMMENT if number else "")
    # Named like the models: tests look whether any such name comes out.
    Response.objects.filter(model_name=MODEL_NAME).update(model_name="orchid-secret-check")


def _edit(project: Project, editor: User) -> None:
    prompt = Prompt.objects.create(
        project=project,
        external_id="bread",
        domain="science",
        context=[{"role": "user", "content": QUESTION}],
    )
    left, right = (
        Response.objects.create(project=project, content=content, model_name=name, finish="stop")
        for content, name in ((CHOSEN, "orchid-secret-a"), (REJECTED, "orchid-secret-b"))
    )
    comparison_create(prompt=prompt, left=left, right=right, round_number=1)
    assignment = comparison_next(project, editor)
    assert assignment is not None and assignment.comparison.left_id == left.pk
    _judge(assignment, Side.LEFT, edited=EDITED)


def _judge_again(
    project: Project, person: User, edited: Judgement, *, is_for_edit: bool, comment: str
) -> None:
    check = edited.edit_check
    expires_at = timezone.now() + timedelta(minutes=10)
    assignment = check_give(check, project, person, at_work(project, person), expires_at)
    is_left = assignment.comparison.left_id == (check.better_id if is_for_edit else check.worse_id)
    _judge(assignment, Side.LEFT if is_left else Side.RIGHT, comment=comment)


def _judge(assignment: Assignment, side: Side, *, edited: str | None = None, comment: str = "") -> None:
    judgement_submit(
        comparison_id=assignment.comparison_id,
        annotator=assignment.annotator,
        lease=assignment.lease,
        idempotency_key=str(assignment.lease),
        verdict=Verdict(
            preferred=side, strength=Strength.BETTER, edited=edited, comment=comment, seconds=30.0
        ),
    )
