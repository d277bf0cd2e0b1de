"""The data gate of a round: it waits for judgements, opens by itself, and keeps the reason of an override."""

import uuid

import pytest
from django.test import Client
from django.urls import reverse

from accounts.errors import Conflict, Invalid
from accounts.models import AuditEntry, Role, User
from accounts.services import user_create
from alignment.advancing import round_advance
from alignment.data_gate.measuring import data_figures
from alignment.deploying import models_deploy
from alignment.forecast.figures import Forecast, Span
from alignment.forecast.forecasting import forecast_keep
from alignment.launch_checks import launch_override, refuse_launch
from alignment.models import Round, Stage
from alignment.overrides import round_overrides
from alignment.recipe import RoundRecipe, parse_recipe, tiny
from alignment.selectors import round_report
from alignment.services import gate_override, gate_reject
from alignment.stages.collect import comparisons_missing
from alignment.stages.data_gate import more_is_no_use
from alignment.stages.plan import recipe_of
from annotation.models import Judgement, Project
from annotation.records import Strength
from registry.models import Checkpoint
from tests.alignment.factories import make_round
from tests.annotation.factories import make_comparison

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


@pytest.fixture
def admin() -> User:
    """Who decides."""
    return user_create(username="lead", role=Role.ADMIN)


@pytest.fixture
def gate() -> Stage:
    """The data gate of a round that collected 14 strong judgements and asks for 20."""
    round_ = make_round(recipe=asking_for(20).model_dump(mode="json"))
    judge(round_.project, 14)
    round_.stages.filter(name=Stage.Name.COLLECT).update(state=Stage.State.FINISHED)
    # What comes after is not this test's.
    round_.stages.filter(position__gt=1).update(state=Stage.State.FINISHED)
    return round_.stages.get(name=Stage.Name.DATA_GATE)


def asking_for(min_judgements: int, **changes: object) -> RoundRecipe:
    """A recipe whose data gate asks for so many, with a holdout that is next to nothing."""
    snapshot = {"min_judgements": min_judgements, "holdout_fraction": 1e-9}
    return parse_recipe({**make_recipe(), "snapshot": snapshot, **changes})


def make_recipe() -> dict[str, object]:
    """The tiny recipe as data."""
    return tiny().model_dump(mode="json")


def make_forecast(**disk: int) -> Forecast:
    """The forecast of a round that has nothing to do."""
    nothing = Span(expected=0, low=0, high=0)
    return Forecast.model_validate(
        {"stages": (), "seconds": nothing, "disk_bytes": 0, "disk_peak": 0, "disk_free": 1, **disk}
    )


def judge(
    project: Project, count: int, *, strength: Strength = Strength.BETTER, domain: str = "general"
) -> None:
    """One judgement each of so many new comparisons."""
    annotator, _ = User.objects.get_or_create(username="ann")
    for _ in range(count):
        comparison = make_comparison(
            project, uuid.uuid4().hex, answers=("it is seven", "no idea at all"), domain=domain
        )
        Judgement.objects.create(
            comparison=comparison,
            annotator=annotator,
            preferred="left",
            strength=strength.value,
            idempotency_key=uuid.uuid4().hex,
        )


def test_it_waits_and_says_exactly_what_is_missing(gate: Stage) -> None:
    round_advance(gate.round_id)
    gate.refresh_from_db()
    assert gate.state == Stage.State.WAITING
    assert gate.result["problems"][0].startswith("6 more strong judgements are needed: 14 can train")
    assert (gate.done, gate.total, gate.unit) == (14, 20, "strong judgements")
    # All judgements train here, so six more of any grade; each comparison is judged once, and 14 are open.
    assert gate.result["judgements_wanted"] == 20
    assert comparisons_missing(gate) == 6 - 14


def test_it_opens_by_itself_once_the_judgements_are_there(gate: Stage) -> None:
    round_advance(gate.round_id)
    judge(gate.round.project, 3, strength=Strength.SLIGHTLY_BETTER)
    round_advance(gate.round_id)
    gate.refresh_from_db()
    assert gate.state == Stage.State.WAITING, "weak judgements do not train"
    judge(gate.round.project, 6)
    round_advance(gate.round_id)
    gate.refresh_from_db()
    assert (gate.state, gate.result["problems"]) == (Stage.State.FINISHED, [])
    assert Round.objects.get(pk=gate.round_id).state == Round.State.FINISHED


def test_an_admin_overrides_it_with_a_reason_that_is_kept_everywhere(
    gate: Stage, admin: User, client: Client
) -> None:
    round_advance(gate.round_id)
    client.force_login(admin)
    page = reverse("round", kwargs={"pk": gate.round_id})
    assert "Training waits for better or more judgements." in client.get(page).content.decode()
    with pytest.raises(Invalid, match="Give the reason"):
        gate_override(gate, admin, " ")
    client.post(
        reverse("gate-decide", kwargs={"pk": gate.pk}), {"decision": "override", "reason": "A trial run."}
    )
    round_advance(gate.round_id)
    gate.refresh_from_db()
    assert gate.state == Stage.State.FINISHED
    (override,) = round_overrides(gate.round)
    assert (override.stage, override.by, override.reason) == ("data_gate", "lead", "A trial run.")
    assert override.problems[0].startswith("6 more strong judgements")
    assert round_report(gate.round)["overrides"][0]["reason"] == "A trial run."
    assert "A trial run." in client.get(page).content.decode()
    assert AuditEntry.objects.get(action="gate.override").data["gate"] == "data_gate"


def test_an_admin_ends_the_round_there(gate: Stage, admin: User) -> None:
    round_advance(gate.round_id)
    gate_reject(gate, admin)
    gate.refresh_from_db()
    assert (gate.state, gate.round.state) == (Stage.State.FAILED, Round.State.FAILED)
    with pytest.raises(Conflict):
        gate_override(gate, admin, "Too late.")


def test_when_no_more_comparisons_can_be_made_it_says_so_until_there_is_a_judgement(gate: Stage) -> None:
    round_advance(gate.round_id)
    gate.refresh_from_db()
    more_is_no_use(gate, "The project has no prompts.")
    round_advance(gate.round_id)
    gate.refresh_from_db()
    assert gate.result["no_more"] == "The project has no prompts."
    judge(gate.round.project, 1)
    round_advance(gate.round_id)
    gate.refresh_from_db()
    assert gate.result["no_more"] == ""


def test_a_launch_that_would_train_at_once_is_refused_without_a_reason(gate: Stage, admin: User) -> None:
    project, no_work = gate.round.project, make_forecast()
    collect = {"num_comparisons": 0, "sampling": {"max_tokens": 8}}
    recipe = asking_for(20, collect=collect)
    with pytest.raises(Invalid, match=r"^6 more strong .* give a reason to launch all the same\.$"):
        refuse_launch(project, recipe, no_work, "")
    overridden = refuse_launch(project, recipe, no_work, "A trial run.")
    Round.objects.filter(pk=gate.round_id).update(recipe=recipe.model_dump(mode="json"))
    gate.round.refresh_from_db()
    forecast_keep(gate.round, no_work)
    launch_override(gate.round, admin, "A trial run.", overridden, of_data=True)
    round_advance(gate.round_id)
    gate.refresh_from_db()
    assert gate.state == Stage.State.FINISHED
    (override,) = round_overrides(gate.round)
    assert (override.stage, override.problems) == ("launch", tuple(overridden))
    full = make_forecast(disk_peak=3_000_000_000, disk_free=2_000_000_000)
    with pytest.raises(Invalid, match=r"needs about 3\.0 GB of disk .* 2\.0 GB are free"):
        refuse_launch(project, asking_for(20), full, "")
    assert refuse_launch(project, asking_for(20), no_work, "") == [], (
        "a round that collects first is not asked"
    )
    Judgement.objects.filter(pk__in=list(Judgement.objects.values_list("pk", flat=True)[:9])).delete()
    with pytest.raises(Invalid, match="no round does with fewer than 10"):
        refuse_launch(project, recipe, no_work, "A trial run.")


def test_the_figures_are_those_of_the_project(gate: Stage) -> None:
    project = gate.round.project
    judge(project, 2, strength=Strength.MARGINALLY_BETTER, domain="coding")
    judge(project, 1, domain="coding")
    figures = data_figures(project, recipe_of(gate.round).snapshot)
    assert (figures.num_judgements, figures.num_strong) == (17, 15)
    assert {name: (row.num_prompts, row.num_covered) for name, row in figures.domains.items()} == {
        "coding": (3, 1),
        "general": (14, 14),
    }
    assert figures.agreement is None
    assert figures.gold is None
    assert figures.strong_per_day == 0.0, "imported judgements are nobody's pace"


def test_a_policy_that_has_not_come_through_its_gate_is_deployed_by_hand_only_with_a_reason(
    gate: Stage, admin: User
) -> None:
    made = [
        Checkpoint.objects.create(name=f"policy-{n}", kind=Checkpoint.Kind.DPO, path="/", content_hash=str(n))
        for n in range(2)
    ]
    stages = gate.round.stages
    stages.filter(name=Stage.Name.DPO).update(result={"checkpoints": {"variant-1": made[0].pk}})
    stages.filter(name=Stage.Name.GATE).update(state=Stage.State.WAITING)
    with pytest.raises(Invalid, match="policy-0 did not come through the gate"):
        models_deploy(gate.round.project, made)
    models_deploy(gate.round.project, made, actor=admin, reason="People read its answers.")
    assert AuditEntry.objects.get(action="gate.bypass").data["models"] == ["policy-0"]
    stages.filter(name=Stage.Name.GATE).update(state=Stage.State.FINISHED)
    models_deploy(gate.round.project, made)
