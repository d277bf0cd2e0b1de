"""A round's forecast from the rounds before, kept at launch, and held against what it took."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from accord.env import Price
from accounts.errors import Invalid
from accounts.models import Role, User
from accounts.services import user_create
from alignment.forecast.actual import forecast_review
from alignment.forecast.forecasting import forecast_keep, round_forecast
from alignment.forecast.trials import speed_trial_request, speed_trial_result
from alignment.models import Program, Round, SpeedTrial, Stage
from alignment.recipe import tiny
from tests.alignment.factories import make_round
from tests.alignment.forecast.test_work import write_weights

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]

SECONDS = {
    "reward_model": 50,
    "rejection_sampling": 80,
    "sft": 40,
    "dpo": 30,
    "evaluation": 60,
    "averaging": 8,
}


@pytest.fixture
def first(tmp_path: Path, settings: Settings) -> Round:
    """A round from a base of a million parameters."""
    settings.ACCORD_RUNS = tmp_path / "runs"
    write_weights(tmp_path, {"weight": [1000, 1000]})
    round_ = make_round()
    round_.base.path = str(tmp_path)
    round_.base.save()
    round_.project.prompts.all().delete()
    return round_


def finish(round_: Round, *, times: float = 1.0) -> None:
    """Let the round have run, its stages as long as `SECONDS` says, times `times`."""
    now = timezone.now()
    for name, seconds in SECONDS.items():
        stage = round_.stages.get(name=name)
        Stage.objects.filter(pk=stage.pk).update(
            state=Stage.State.FINISHED, started_at=now - timedelta(seconds=seconds * times), finished_at=now
        )
        for number in (1, 2):
            Program.objects.create(
                stage=stage,
                name=f"variant-{number}",
                module="alignment.training.x",
                queue="training",
                group=0,
                folder="/nowhere",
                state=Program.State.FINISHED,
                result={"num_tokens": 50_000, "num_examples": 500},
            )
    round_.stages.filter(name=Stage.Name.REJECTION_SAMPLING).update(
        result={"num_prompts": 1000, "num_tokens": 100_000}
    )
    Round.objects.filter(pk=round_.pk).update(state=Round.State.FINISHED, finished_at=now)


def next_round(first: Round, number: int) -> Round:
    """Another of the same project and base."""
    round_ = Round.objects.create(
        project=first.project, number=number, base=first.base, recipe=tiny().model_dump(mode="json")
    )
    for stage in first.stages.all():
        Stage.objects.create(round=round_, name=stage.name, position=stage.position)
    return round_


def test_without_history_it_is_a_guess_that_says_so(first: Round) -> None:
    forecast = round_forecast(first.project, first.base, tiny())
    reward = forecast.of("reward_model")
    assert reward is not None
    assert reward.basis == "guess"
    assert forecast.seconds.high > 3 * forecast.seconds.expected
    assert forecast.num_judgements == 1500
    assert forecast.fits
    assert (forecast.machine_cost, forecast.people_cost) == (None, None)


def test_a_timed_trial_replaces_the_guess(first: Round) -> None:
    trial = speed_trial_request(first.base, tiny())
    assert speed_trial_request(first.base, tiny()) == trial, "it is on its way already"
    assert speed_trial_result(first.base, tiny()) is None
    timed = {"parameters": 1_000_000, "sample_seconds_per_token": 1e-4, "train_seconds_per_token": 2e-4}
    SpeedTrial.objects.filter(pk=trial.pk).update(state=SpeedTrial.State.FINISHED, result=timed)
    found = round_forecast(first.project, first.base, tiny()).of("reward_model")
    assert found is not None
    # Two programs one after another to start; 1,500 judgements, half of them strong, nine in ten of those
    # train: 675 rows of 100 tokens, two epochs, two variants side by side.
    assert found.seconds.expected == pytest.approx(2 * 6 + 675 * 100 * 2 * 2 * 2e-4 / 2)
    assert found.basis == "calibration"


def test_the_next_round_is_forecast_from_what_the_last_one_took(first: Round, settings: Settings) -> None:
    finish(first)
    settings.ACCORD_MACHINE_HOUR_PRICE = Price(amount=3.6, currency="EUR")
    first.project.pay_per_judgement, first.project.currency = 0.5, "EUR"
    forecast = round_forecast(first.project, first.base, tiny())
    dpo = forecast.of("dpo")
    assert dpo is not None
    assert (dpo.basis, dpo.num_rounds) == ("history", 1)
    # 50,000 tokens of 500 examples in two epochs are 50 a row; 1,350 rows in two epochs by two variants.
    tokens = 675 * 50 * 2 * 2
    assert dpo.seconds.expected == pytest.approx(6 + 24 * tokens / 100_000)
    assert forecast.machine_cost is not None
    assert forecast.machine_cost.expected == pytest.approx(forecast.seconds.expected / 1000)
    assert forecast.people_cost == 750.0
    reused = round_forecast(first.project, first.base, tiny(), reused={"dpo": 1.0}).of("dpo")
    assert reused is not None
    assert (reused.reused, reused.seconds.expected) == (True, 0.0)


def test_a_round_shows_its_forecast_beside_what_it_took(first: Round, client: Client) -> None:
    finish(first)
    second = next_round(first, 2)
    forecast_keep(second, round_forecast(first.project, first.base, tiny()))
    finish(second, times=9.0)
    review = forecast_review(Round.objects.get(pk=second.pk))
    assert review is not None
    dpo = next(row for row in review.stages if row.name == "dpo")
    assert dpo.actual is not None
    assert dpo.actual == pytest.approx(270)
    assert dpo.within is False
    assert dpo.off is not None
    assert dpo.off > 1
    admin: User = user_create(username="lead", role=Role.ADMIN)
    client.force_login(admin)
    text = client.get(reverse("round", kwargs={"pk": second.pk})).content.decode()
    assert "Forecast and what it took" in text
    assert "4 min 30 s" in text
    third = round_forecast(first.project, first.base, tiny()).of("dpo")
    assert third is not None
    assert third.num_rounds == 2
    assert third.seconds.low < dpo.actual < third.seconds.high, "the error is learned from"


def test_a_base_whose_weights_are_gone_is_refused_in_a_sentence(first: Round, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(Invalid, match="has no readable weights at"):
        round_forecast(first.project, first.base, tiny())
