"""What the round page shows of an evaluation: a card for each thing that was measured, none for the rest."""

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import Role
from accounts.services import user_create
from alignment.calibration import calibration
from alignment.divergence import divergence
from alignment.models import Round, Stage
from tests.alignment.factories import make_round

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


@pytest.fixture
def page(client: Client) -> Client:
    """An admin's browser."""
    client.force_login(user_create(username="lead", role=Role.ADMIN))
    return client


def shown(page: Client, round_: Round, result: dict[str, object]) -> str:
    """The round's page when its evaluation found `result`."""
    round_.stages.filter(name=Stage.Name.EVALUATION).update(result={"win_rate": {}, **result})
    return page.get(reverse("round", kwargs={"pk": round_.pk})).content.decode()


def test_how_sure_the_reward_model_is_stands_beside_how_often_it_is_right(page: Client) -> None:
    round_ = make_round()
    assert "How sure the reward model is" not in shown(page, round_, {"calibration": None})
    pairs = [("better", 3.0), ("better", 2.9), ("better", -2.8), ("slightly_better", 0.2)]
    text = shown(page, round_, {"calibration": calibration(pairs)})
    assert 'aria-label="Reliability diagram' in text
    for part in ("How sure the reward model is", "too sure", "… of these, slightly better", "75.0%"):
        assert part in text, part


def test_how_far_the_policy_has_moved_is_shown_with_its_interval(page: Client) -> None:
    rows = {f"{number}": [(2.0 + number % 2, 10)] for number in range(100)}
    text = shown(page, make_round(), {"kl": {"SFT model": divergence(rows)}})
    for part in ("KL from the SFT model", "2.50", "2.40 to 2.60", "0.2500"):
        assert part in text, part
