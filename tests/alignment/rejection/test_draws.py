"""Who answers a prompt, how, and after which system prompt, depends on the recipe and the prompt alone."""

import pytest

from alignment.programs import SamplingConfig
from alignment.rejection.draws import own_batches, plan_batches, plan_draws, unmatched_domains
from alignment.rejection.recipe import DomainSampling, LanguageCheck, SamplingChange, SystemPrompt
from tests.alignment.rejection.factories import make_config, make_prompt

TERSE = SystemPrompt(name="terse", text="Use few words.", share=0.2)
PIRATE = SystemPrompt(name="pirate", text="Talk like a pirate.", share=0.5, domains=("chat",))


def test_a_domain_and_its_language_change_what_they_name_and_nothing_else() -> None:
    german = SamplingChange(temperature=0.4)
    config = make_config(
        sampling=SamplingConfig(temperature=1.0, top_p=0.9, max_tokens=100, seed=7),
        domains={"multilingual": DomainSampling(temperature=0.6, max_tokens=50, languages={"de": german})},
    )
    prompts = [
        make_prompt("1"),
        make_prompt("2", domain="multilingual", language="fr"),
        make_prompt("3", domain="multilingual", language="de"),
        make_prompt("4", domain="sums", language="de"),
    ]

    drawn = [draw.sampling for draw in plan_draws(config, prompts)]

    assert [(each.temperature, each.max_tokens) for each in drawn] == [
        (1.0, 100),
        (0.6, 50),
        (0.4, 50),
        (1.0, 100),
    ]
    assert {(each.top_p, each.seed) for each in drawn} == {(0.9, 7)}


def test_a_domain_without_a_policy_of_its_own_goes_to_the_default() -> None:
    config = make_config(other_policies={"coder": "/coder"}, domain_policies={"coding": "coder"})
    prompts = [make_prompt("1"), make_prompt("2", domain="coding")]
    assert [draw.policy for draw in plan_draws(config, prompts)] == ["newest", "coder"]


def test_a_policy_that_is_not_named_is_refused() -> None:
    with pytest.raises(ValueError, match="There is no policy 'coder'"):
        make_config(domain_policies={"coding": "coder"})


def test_system_prompts_get_their_shares_of_their_domains() -> None:
    config = make_config(system_prompts=(TERSE, PIRATE))
    prompts = [make_prompt(str(number), domain=("sums", "chat")[number % 2]) for number in range(4000)]

    draws = plan_draws(config, prompts)

    names = {
        domain: [draw.system_prompt for draw in draws if draw.prompt.domain == domain]
        for domain in ("sums", "chat")
    }
    assert names["sums"].count("terse") / 2000 == pytest.approx(0.2, abs=0.03)
    assert names["sums"].count("pirate") == 0
    assert names["chat"].count("terse") / 2000 == pytest.approx(0.2, abs=0.03)
    assert names["chat"].count("pirate") / 2000 == pytest.approx(0.5, abs=0.03)
    for draw in draws:
        expected = {"terse": TERSE.text, "pirate": PIRATE.text, None: "What is 2 + 2?"}[draw.system_prompt]
        assert draw.prompt.context[0].content == expected


def test_the_same_prompt_gets_the_same_system_prompt_in_any_company() -> None:
    config = make_config(system_prompts=(TERSE.model_copy(update={"share": 0.5}),))
    prompts = [make_prompt(str(number)) for number in range(50)]
    assert plan_draws(config, prompts)[20:30] == plan_draws(config, prompts[20:30])
    other = make_config(system_prompts=config.system_prompts, sampling=SamplingConfig(max_tokens=100, seed=8))
    assert [draw.system_prompt for draw in plan_draws(config, prompts)] != [
        draw.system_prompt for draw in plan_draws(other, prompts)
    ]


def test_a_prompt_with_a_system_message_of_its_own_keeps_it_alone() -> None:
    config = make_config(system_prompts=(TERSE.model_copy(update={"share": 1.0}),))
    prompt = make_prompt("1", system="You are a poet.")
    (draw,) = plan_draws(config, [prompt])
    assert (draw.prompt, draw.system_prompt) == (prompt, None)


def test_shares_of_more_than_all_prompts_are_refused() -> None:
    greedy = PIRATE.model_copy(update={"share": 0.9})
    with pytest.raises(ValueError, match=r"shares for the domain 'chat' that sum to 1\.1: lower them"):
        make_config(system_prompts=(TERSE.model_dump(), greedy.model_dump()))
    with pytest.raises(ValueError, match="the name 'terse' twice"):
        make_config(system_prompts=(TERSE.model_dump(), TERSE.model_dump()))


@pytest.mark.parametrize("num_shards", [1, 2, 3, 7])
def test_shards_share_the_batches_of_one_program(num_shards: int) -> None:
    prompts = [make_prompt(str(number), domain=("sums", "coding")[number % 2]) for number in range(330)]
    others = {"other_policies": {"coder": "/coder"}, "domain_policies": {"coding": "coder"}}
    whole = make_config(**others)
    batches = plan_batches(whole, plan_draws(whole, prompts))
    assert [(batch.policy, len(batch.draws)) for batch in batches] == [
        *[("newest", 64)] * 2,
        ("newest", 37),
        *[("coder", 64)] * 2,
        ("coder", 37),
    ]

    parts = [
        own_batches(make_config(**others, shard=shard, num_shards=num_shards), batches)
        for shard in range(num_shards)
    ]

    assert sorted(batch.number for part in parts for batch in part) == list(range(6))


def test_names_that_no_prompt_has_are_told() -> None:
    config = make_config(
        domains={
            "sums": DomainSampling(languages={"en": SamplingChange(), "fr": SamplingChange()}),
            "codign": DomainSampling(languages={"de": SamplingChange()}),
        },
        other_policies={"coder": "/coder"},
        domain_policies={"coding": "coder"},
        system_prompts=(PIRATE,),
        language_check=LanguageCheck(domains=("multilingual",)),
    )
    assert unmatched_domains(config, [make_prompt("1"), make_prompt("2", domain="chat")]) == [
        "codign",
        "coding",
        "multilingual",
        "sums in fr",
    ]
