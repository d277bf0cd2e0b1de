"""Checks of the sample site, somebody who has judged some of them, and a reviewer's decision."""

from accounts.models import Role, User
from accounts.services import user_create
from annotation.conflicts import ConflictFilter, conflict_ids
from annotation.models import Check, Comparison, Membership, Project, Response, Side
from annotation.models.checks import KINDS_MADE_BY_HAND
from annotation.records import Message, Strength
from annotation.services import Verdict, comparison_next, judgement_submit, membership_set
from annotation.services.adjudication import comparison_decide
from annotation.services.checks import MODEL_NAME, check_create
from annotation.services.pausing import membership_pause

EXPLANATION = (
    "Both are polite. The better one **answers the question** and says how sure it is; the other one only "
    "repeats it. See *Guidelines*, “Honest and to the point”."
)
QUESTION = (
    "What is the boiling point of water at the top of a mountain of 3,000 metres, and why is it lower there?"
)
BETTER = (
    "About **90 °C**. The air presses less up there, so the water's vapour reaches that pressure at a lower "
    "temperature: roughly 1 °C less for each 300 metres."
)
WORSE = "Water boils at 100 °C. That is a law of nature and the same everywhere, also on high mountains."


def checks_and_their_judgements(project: Project, admin: User) -> Membership:
    """One check of each kind whose answer is known and two more; `sofia` does two and is paused."""
    for number, kind in enumerate(
        [*map(Check.Kind, KINDS_MADE_BY_HAND), Check.Kind.QUALIFICATION, Check.Kind.GOLD]
    ):
        check_create(
            project,
            kind=kind,
            context=[Message(role="user", content=f"{QUESTION} ({number + 1})")],
            better=BETTER,
            worse=WORSE,
            weakest=Strength.BETTER,
            explanation=EXPLANATION,
            actor=admin,
        )
    # Named like the models: tests look whether any such name comes out.
    Response.objects.filter(model_name=MODEL_NAME).update(model_name="orchid-secret-check")
    sofia = user_create(username="sofia")
    membership = membership_set(project, sofia, Role.ANNOTATOR, actor=admin)
    Project.objects.filter(pk=project.pk).update(qualification_needed=2)
    project.refresh_from_db()
    for number in range(2):
        _judge(project, sofia, is_right=number == 0)
    Project.objects.filter(pk=project.pk).update(qualification_needed=0)
    project.refresh_from_db()
    membership_pause(membership, reason="We go through the guidelines together on Monday.", actor=admin)
    decide = conflict_ids(project, ConflictFilter())[-1]
    comparison_decide(
        Comparison.objects.select_related("left", "right", "project").get(pk=decide),
        reviewer=admin,
        verdict=Verdict(preferred=Side.LEFT, strength=Strength.BETTER, comment="The right one is wrong."),
    )
    return membership


def _judge(project: Project, person: User, *, is_right: bool) -> None:
    assignment = comparison_next(project, person)
    assert assignment is not None
    left_is_better = assignment.comparison.left.content == BETTER
    judgement_submit(
        comparison_id=assignment.comparison_id,
        annotator=person,
        lease=assignment.lease,
        idempotency_key=str(assignment.lease),
        verdict=Verdict(
            preferred=Side.LEFT if left_is_better == is_right else Side.RIGHT, strength=Strength.BETTER
        ),
    )
