"""A project made of hostile input: whatever a person or a model can write, wherever it is shown."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models import Role, User
from accounts.services import token_create, user_create
from annotation.filters import PreferenceFilter
from annotation.models import Check, Comparison, Edit, Flag, Judgement, Project, Prompt, Response
from annotation.records import Message, Strength
from annotation.services import comparison_create, comparison_next, draft_save, membership_set, project_create
from annotation.services.administration import project_update
from annotation.services.checks import check_create
from annotation.services.exchange import filter_save
from webhooks.models import Delivery, Endpoint

NUM_TEXTS = 12
"""Long texts that the payloads are joined to: few pages, and each payload on them."""


@dataclass(frozen=True, kw_only=True)
class HostileSite:
    """Who looks at it."""

    project: Project
    admin: User
    annotator: User
    endpoint: Endpoint


def make_hostile_site(payloads: Sequence[str]) -> HostileSite:
    """Each payload as prompt, both answers, edit and comments; the short ones as names of all kinds."""
    short = sorted({" ".join(text.split()) for text in payloads if 8 <= len(text) <= 90}, key=len)
    short = [text for text in short if "<" in text or "(" in text][:: max(1, len(short) // 120)]
    admin = user_create(username="<svg/onload=alert(1)>@x", role=Role.ADMIN, pseudonym=short[0][:40])
    annotator = user_create(username='"><img/src=x/onerror=alert(1)>', pseudonym=short[1][:40])
    project = project_create(
        slug="hostile", name=short[2], description=short[3], guidelines="\n\n".join(payloads[::4])
    )
    membership_set(project, annotator, Role.ANNOTATOR, actor=admin)
    project_update(
        project,
        actor=admin,
        reasons=[{"value": f"r{number}", "label": text[:60]} for number, text in enumerate(short[4:9])],
        support_text=payloads[-1],
    )
    token_create(annotator, name=short[9])
    for text in short[10:14]:
        filter_save(project, text, PreferenceFilter(domains=(short[5],)), actor=admin)
    texts = ["\n\n".join(payloads[number::NUM_TEXTS]) for number in range(NUM_TEXTS)]
    for number, text in enumerate(texts):
        _shown_everywhere(project, annotator, text, (texts[number - 1], "short"), short[number:])
    for number, text in enumerate(short[:40]):
        message = {"role": "user", "content": payloads[-number]}
        Prompt.objects.create(
            project=project, external_id=text, domain=text, language="en", context=[message]
        )
    check_create(
        project,
        kind=Check.Kind.GOLD,
        context=[Message(role="user", content=texts[0][:20_000])],
        better=texts[1][:20_000],
        worse=texts[2][:20_000],
        weakest=Strength.BETTER,
        explanation=texts[3][:20_000],
        actor=admin,
    )
    _in_hand(project, annotator, payloads)
    endpoint = Endpoint.objects.create(url=f"https://example.org/?{short[15]}", events=["round.failed"])
    Delivery.objects.create(
        endpoint=endpoint, event="round.failed", body={"text": short[16]}, state="failed", error=short[17]
    )
    return HostileSite(project=project, admin=admin, annotator=annotator, endpoint=endpoint)


def _pair(project: Project, prompt: str, answers: Sequence[str], name: str) -> Comparison:
    made = Prompt.objects.create(
        project=project,
        external_id=f"{Prompt.objects.count()} {name}",
        domain=name,
        context=[{"role": "user", "content": prompt}],
    )
    left, right = (
        Response.objects.create(project=project, content=text, model_name=name) for text in answers
    )
    return comparison_create(prompt=made, left=left, right=right, round_number=1)


def _shown_everywhere(
    project: Project, person: User, text: str, answers: Sequence[str], names: Sequence[str]
) -> None:
    flagged = _pair(project, text, answers, names[0])
    Flag.objects.create(comparison=flagged, annotator=person, reason="other", comment=text)
    Comparison.objects.filter(pk=flagged.pk).update(state="flagged")
    judged = _pair(project, names[2], names[3:5], names[1])
    judgement = Judgement.objects.create(
        comparison=judged,
        annotator=person,
        preferred="left",
        strength="better",
        reasons=[names[1]],
        comment=names[5],
        idempotency_key=str(judged.pk),
    )
    Edit.objects.create(judgement=judgement, content=text)
    Comparison.objects.filter(pk=judged.pk).update(state="full", num_judgements=1)


def _in_hand(project: Project, annotator: User, payloads: Sequence[str]) -> None:
    """One comparison of everything at once, with a draft that is hostile in each field."""
    some = "\n\n".join(payloads[::40])
    _pair(project, some, ["\n\n".join(payloads[7::40]), "\n\n".join(payloads[13::40])], "hand")
    assignment = comparison_next(project, annotator)
    assert assignment is not None
    draft = {"preferred": "left", "strength": "better", "edited": some, "reasons": []}
    draft_save(
        comparison_id=assignment.comparison_id,
        annotator=annotator,
        draft={**draft, "comment": some, "next_message": some, "feedback": some, "seconds": None},
    )
