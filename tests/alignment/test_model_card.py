"""Model cards and exported folders: all that is recorded, nothing that is private, loadable elsewhere."""

from pathlib import Path

import pytest
import yaml
from django.test import Client
from django.urls import reverse

from accounts.models import Role
from accounts.services import user_create
from alignment.card_facts import card_facts
from alignment.model_card import CardFacts, is_falling, limits, model_card, public_recipe
from alignment.models import Stage
from registry.models import Checkpoint
from tests.alignment.test_model_pages import make_judgement
from tests.e2e.sample_evaluation import sample_evaluation
from tests.e2e.sample_models import make_history, newest_policy


def facts(**values: object) -> CardFacts:
    """A policy's facts, as `values` say."""
    given = {
        "name": "p-r1",
        "kind": "average",
        "what": "averaged model",
        "content_hash": "a" * 64,
        "made": "2026-11-22",
        "licence": "",
        "base": "llama",
        "base_licence": "llama3.3",
        "round": "round 1 of the project p",
        "recipe_name": "tiny",
        "recipe": {"dpo": [{"seed": 1, "beta": 0.1}]},
        "training": [("loss", "0.41")],
        "data": None,
        "evaluation": {},
        "gate": {},
        "parents": [],
        **values,
    }
    return CardFacts(**given)  # type: ignore[arg-type]


def metadata(card: str) -> dict[str, object]:
    found = yaml.safe_load(card.split("---\n")[1])
    assert isinstance(found, dict)
    return found


@pytest.mark.django_db
def test_a_policys_card_says_what_is_recorded_and_names_nobody(tmp_path: Path) -> None:
    make_judgement()
    round_ = make_history(tmp_path, num_rounds=2)[-1]
    recipe = round_.recipe
    recipe["rejection"]["system_prompts"] = [{"name": "terse", "text": "A secret way to ask.", "share": 0.1}]
    round_.save()
    round_.stages.filter(name=Stage.Name.EVALUATION).update(result=sample_evaluation())
    gate = {
        "decided_by": "judge",
        "problems": ["x"],
        "override": {"by": "lead.person", "reason": "We read | it."},
    }
    round_.stages.filter(name=Stage.Name.GATE).update(result=gate)
    thin = {
        "problems": ["Only 40% of the prompts are judged."],
        "override": {"by": "lead.person", "reason": "A trial."},
    }
    round_.stages.filter(name=Stage.Name.DATA_GATE).update(result=thin)
    round_.project.licence = "cc-by-4.0"
    round_.project.save()
    policy = newest_policy()
    card = model_card(card_facts(policy))
    told = metadata(card)
    assert (told["license"], told["language"], told["base_model"]) == ("unknown", ["en"], "history-base")
    assert told["model-index"][0]["results"][0]["metrics"][0]["type"] == "win_rate"  # type: ignore[index]
    for said in (
        policy.content_hash,
        round_.snapshot.content_hash,
        "2,480 train, 274 are held out",
        "One person judged",
        "(Only 40% of the prompts are judged.) and was trained on all the same, with this reason: A trial.",
        "| similar answers | 62 |",
        "| dpo.nll_coefficient | `0.2` `0.1` |",
        "the judge wise-1",
        "The gate was overridden, with this reason: We read \\| it.",
        "| history-r2-dpo-variant-1 | averaged |",
        "| prompts and judgements | cc-by-4.0 |",
        "it is over-optimised to some degree",
        "It was deployed although the gate was closed.",
    ):
        assert said in card, said
    for private in ("ann", "lead.person", "A secret way", "why?", "system_prompts", "http://"):
        assert f" {private}" not in card and f"| {private}" not in card, private


def test_limits_tell_who_did_not_judge_and_where_picking_harder_stops_helping() -> None:
    rate = {"value": 0.7, "low": 0.6, "high": 0.8, "comparisons": 100}
    alone = limits(facts(evaluation={"win_rate": {"base": rate}}))
    assert any("Only the round's own reward model judged" in limit for limit in alone)
    judged = {"by": "people", "win_rate": {"base": {**rate, "value": 0.4, "low": 0.3, "high": 0.5}}}
    seen = limits(facts(evaluation={"win_rate": {"base": rate}, "outside": [judged]}))
    assert not any("Only the round's own" in limit for limit in seen)
    assert any("over-optimised to some degree" in limit for limit in seen)
    rising, falling = ({"value": v, "low": v - 0.1, "high": v + 0.1} for v in (1.0, 0.5))
    assert is_falling([rising, falling]) and not is_falling([falling, rising])


def test_recipes_are_told_without_texts_addresses_and_paths() -> None:
    recipe = {
        "dpo": [{"beta": 0.1, "judge": {"url": "http://x"}}],
        "topics": {"labels": "/home/x"},
        "at": "/x",
    }
    assert public_recipe(recipe) == {"dpo": [{"beta": 0.1}], "topics": {}}


def test_a_reward_models_and_a_base_models_card_are_whole_too() -> None:
    reward = model_card(facts(kind="reward_model", what="reward model", licence="Apache-2.0"))
    assert metadata(reward)["pipeline_tag"] == "text-classification"
    assert metadata(reward)["license"] == "apache-2.0"
    base = model_card(facts(kind="base", what="base model", base=None, round=None, recipe={}, training=[]))
    assert "nothing that Accord knows of was made before it" in base
    assert "base_model" not in metadata(base)


@pytest.mark.django_db
def test_a_licence_is_said_on_the_models_page_and_must_be_an_identifier(client: Client) -> None:
    client.force_login(user_create(username="lead", role=Role.ADMIN))
    model = Checkpoint.objects.create(name="m", kind=Checkpoint.Kind.BASE, path="/m", content_hash="0" * 64)
    url = reverse("model-licence", args=[model.pk])
    client.post(url, {"licence": " llama3.3 "})
    client.post(url, {"licence": "<b>\n"})
    model.refresh_from_db()
    assert model.licence == "llama3.3"
    page = client.get(reverse("model-card", args=[model.pk])).content.decode()
    assert "llama3.3" in page and "license: " in page
    raw = client.get(reverse("model-card", args=[model.pk]), {"raw": "1"})
    assert raw.headers["Content-Type"].startswith("text/markdown") and raw.content.startswith(b"---\n")
