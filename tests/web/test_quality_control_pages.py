"""The pages of checks, disagreements and one person, and what they let whom do."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import Role, User
from alignment.models import Round, Snapshot, Stage
from annotation.models import Check, Judgement, Membership, Project
from registry.models import Checkpoint
from tests.alignment.factories import make_round
from tests.annotation.factories import Annotator, make_annotator, make_comparison, make_project
from tests.annotation.test_checks import make_check, right_side

pytestmark = pytest.mark.django_db

CHECK = {
    "kind": "gold",
    "prompt": "Which is <b>right</b>?",
    "better": "this one",
    "worse": "that one",
    "weakest": "better",
    "strongest": "significantly_better",
    "explanation": "**So** it is.",
}


@pytest.fixture
def project() -> Project:
    return make_project(overlap=2, name="Helpful answers")


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def admin(project: Project) -> Client:
    return signed_in(make_annotator(project, "maria", Role.ADMIN))


@pytest.fixture
def reviewer(project: Project) -> Client:
    return signed_in(make_annotator(project, "rita", Role.REVIEWER))


def conflict(project: Project) -> Judgement:
    make_comparison(project, "Why?")
    for name, side in (("ann", "left"), ("bob", "right")):
        annotator = Annotator(make_annotator(project, name))
        annotator.judge(annotator.next(project), preferred=side, comment=f"says {name}")
    judgement = Judgement.objects.order_by("pk").first()
    assert judgement is not None
    return judgement


def test_checks_are_made_retired_and_imported_on_their_page(project: Project, admin: Client) -> None:
    path = f"/projects/{project.slug}/checks/"
    assert admin.post(path, CHECK).status_code == 302
    page = admin.get(path).content.decode()
    assert "Which is &lt;b&gt;right&lt;/b&gt;?" in page and "this one" in page
    check = Check.objects.get()
    admin.post(f"{path}{check.pk}/", {"active": "0"})
    check.refresh_from_db()
    assert not check.active
    file = SimpleUploadedFile("checks.jsonl", (json.dumps(CHECK) + "\nnot json").encode())
    page = admin.post(path, {"upload": "1", "file": file}).content.decode()
    assert "kept 1, 0 already there, refused 1. 1 × not JSON." in page


def test_a_check_that_makes_no_sense_is_refused_and_what_was_typed_stays(
    project: Project, admin: Client
) -> None:
    answer = admin.post(f"/projects/{project.slug}/checks/", {**CHECK, "worse": "this one"})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "The two answers are the same" in page and "Which is &lt;b&gt;right" in page
    assert not Check.objects.exists()


def test_reviewers_decide_and_undo_and_only_admins_make_gold(
    project: Project, admin: Client, reviewer: Client
) -> None:
    comparison = conflict(project).comparison
    path = f"/projects/{project.slug}/disagreements/"
    page = reviewer.get(path).content.decode()
    assert "says ann" in page and "says bob" in page and "model-0" not in page
    assert "Make gold" not in page
    choice = {"choice": "right-better", "comment": "Look at line two."}
    reviewer.post(f"{path}{comparison.pk}/", {**choice, "act": "check"})
    assert not Check.objects.exists()
    reviewer.post(f"{path}{comparison.pk}/", {**choice, "act": "decide"})
    decision = Judgement.objects.get(standing="decision")
    assert (decision.preferred, decision.strength, decision.comment) == (
        "right",
        "better",
        "Look at line two.",
    )
    assert "Look at line two." in reviewer.get(f"{path}?show=decided").content.decode()
    reviewer.post(f"/projects/{project.slug}/decisions/{decision.pk}/undo/")
    assert not Judgement.objects.filter(standing="decision").exists()
    admin.post(f"{path}{comparison.pk}/", {**choice, "act": "check"})
    assert Check.objects.get().better_id == comparison.right_id


def test_annotators_and_strangers_are_kept_out(project: Project) -> None:
    comparison = conflict(project).comparison
    annotator = signed_in(User.objects.get(username="ann"))
    stranger = signed_in(make_annotator(make_project("other"), "eve", Role.ADMIN))
    membership = Membership.objects.get(project=project, user__username="bob")
    base = f"/projects/{project.slug}"
    for path in (f"{base}/checks/", f"{base}/disagreements/", f"{base}/people/{membership.pk}/"):
        assert annotator.get(path).status_code == 403
        assert stranger.get(path).status_code in (403, 404)
    for path in (f"{base}/disagreements/{comparison.pk}/", f"{base}/people/{membership.pk}/act/"):
        assert annotator.post(path, {"act": "exclude"}).status_code == 403
        assert stranger.post(path, {"act": "exclude"}).status_code in (403, 404)
    own = f"/projects/other/people/{membership.pk}/act/"
    assert stranger.post(own, {"act": "exclude"}).status_code == 404


def test_the_page_of_a_person_names_what_learned_from_their_judgements(admin: Client) -> None:
    round_: Round = make_round()
    project = round_.project
    boss = signed_in(make_annotator(project, "boss", Role.ADMIN))
    judgement = Judgement.objects.create(
        comparison=make_comparison(project, "Why?"),
        annotator=make_annotator(project, "ann"),
        preferred="left",
        strength="better",
        idempotency_key="x",
    )
    snapshot = Snapshot.objects.create(
        round=round_, folder="/nowhere", content_hash="abc" * 20, num_train=1, num_holdout=0, num_newest=1
    )
    snapshot.judgements.add(judgement)
    made = Checkpoint.objects.create(name="round-1-dpo", kind=Checkpoint.Kind.DPO, path="/nowhere")
    stage = round_.stages.filter(name=Stage.Name.DPO).first() or Stage.objects.create(
        round=round_, name=Stage.Name.DPO, position=9
    )
    stage.result = {"checkpoints": {"dpo": made.pk}}
    stage.save()
    membership = Membership.objects.get(project=project, user__username="ann")
    path = f"/projects/{project.slug}/people/{membership.pk}/"
    boss.post(f"{path}act/", {"act": "exclude", "since": "2020-01-01"})
    judgement.refresh_from_db()
    assert judgement.standing == "excluded"
    page = boss.get(path).content.decode()
    assert "abcabcabcabc" in page and "round-1-dpo" in page
    boss.post(f"{path}act/", {"act": "restore"})
    judgement.refresh_from_db()
    assert judgement.standing == "counted"
    assert boss.post(f"{path}act/", {"act": "exclude", "since": "2020-99-01"}).status_code == 422


def test_a_person_is_paused_and_goes_on(project: Project, admin: Client) -> None:
    ann = make_annotator(project, "ann")
    membership = Membership.objects.get(user=ann)
    path = f"/projects/{project.slug}/people/{membership.pk}/"
    admin.post(f"{path}act/", {"act": "pause", "reason": "We talk <tomorrow>."})
    assert "We talk &lt;tomorrow&gt;." in admin.get(path).content.decode()
    stopped = signed_in(ann).post(f"/projects/{project.slug}/annotate/next/")
    assert stopped.status_code == 200 and "paused" in stopped.content.decode()
    assert "Paused" in admin.get(f"/projects/{project.slug}/people/").content.decode()
    admin.post(f"{path}act/", {"act": "resume"})
    membership.refresh_from_db()
    assert membership.paused_at is None


def test_the_quality_page_shows_accuracy_on_checks(project: Project, admin: Client) -> None:
    Project.objects.filter(pk=project.pk).update(qualification_needed=1)
    make_check(project, kind=Check.Kind.QUALIFICATION)
    ann = Annotator(make_annotator(project, "ann"))
    page = signed_in(ann.user).post(f"/projects/{project.slug}/annotate/next/").content.decode()
    assert "0 of 1 done" in page
    handed = ann.next(project)
    reply = ann.judge(handed, preferred=right_side(handed))
    word = signed_in(ann.user).post(
        f"/projects/{project.slug}/annotate/feedback/", {"judgement": reply.body["id"]}
    )
    assert "Right." in word.content.decode()
    bob = make_annotator(project, "bob")
    other = signed_in(bob).post(
        f"/projects/{project.slug}/annotate/feedback/", {"judgement": reply.body["id"]}
    )
    assert other.status_code == 404
    assert "On checks" in admin.get(f"/projects/{project.slug}/quality/").content.decode()


def test_the_settings_of_quality_control_are_saved(project: Project, admin: Client) -> None:
    path = f"/projects/{project.slug}/settings/"
    form = admin.get(path).context["form"]
    values = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    values |= {"gold_share": "0.1", "overlap_mode": "adaptive", "check_feedback": ""}
    assert admin.post(path, values).status_code == 302
    project.refresh_from_db()
    assert (project.gold_share, project.overlap_mode, project.check_feedback) == (0.1, "adaptive", False)
    assert admin.post(path, {**values, "gold_share": "0.9"}).status_code == 422
