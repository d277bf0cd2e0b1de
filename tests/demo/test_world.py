"""The small world: seeded, answerable, and split so that held-out questions stay unseen."""

import json
import random
from pathlib import Path

import pytest

from demo.corpus import documents, flawed_answer
from demo.gold import gold_utility
from demo.inputs import CORPUS, PROMPTS, write_inputs
from demo.prompts import import_row, prompts_of
from demo.questions import questions_of
from demo.settings import demo_settings, quick_settings
from demo.world import World, world_of


@pytest.fixture(scope="module")
def world() -> World:
    return world_of(0, demo_settings().num_names)


def test_the_same_seed_gives_the_same_world_and_another_seed_another() -> None:
    assert world_of(3, 20) == world_of(3, 20)
    assert world_of(3, 20).facts != world_of(4, 20).facts


def test_no_two_people_share_a_name() -> None:
    for seed in range(20):
        names = world_of(seed, 24).names
        assert len(set(names)) == len(names) == 24


def test_no_question_is_asked_twice(world: World) -> None:
    texts = [question.text for question in questions_of(world)]
    assert len(set(texts)) == len(texts)


def test_there_are_enough_prompts_of_every_domain_on_both_sides(world: World) -> None:
    prompts = prompts_of(world)
    assert sum(prompt.split == "train" for prompt in prompts) >= 2000
    assert sum(prompt.split == "holdout" for prompt in prompts) >= 600
    for split in ("train", "holdout"):
        domains = {prompt.question.domain for prompt in prompts if prompt.split == split}
        assert domains == {"facts", "sums", "puzzles", "requests"}


def test_prompts_have_unique_ids_and_no_text_on_both_sides(world: World) -> None:
    prompts = prompts_of(world)
    assert len({prompt.id for prompt in prompts}) == len(prompts)
    sides = [
        {prompt.question.text for prompt in prompts if prompt.split == split}
        for split in ("train", "holdout")
    ]
    assert not sides[0] & sides[1]


def test_what_a_held_out_prompt_asks_is_asked_of_the_model_in_another_form(world: World) -> None:
    prompts = prompts_of(world)
    taught = {(p.question.sentence, p.question.values) for p in prompts if p.split == "train"}
    held_out = {(p.question.sentence, p.question.values) for p in prompts if p.split == "holdout"}
    assert len(held_out - taught) <= 0.02 * len(held_out)


def test_documents_tell_the_truth_of_people(world: World) -> None:
    for text in documents(world, 200):
        for sentence in text.split(". "):
            name, _, rest = sentence.rstrip(".").partition(" ")
            if name in world.names:
                told = {value for value in world.facts[name].values() if value in rest.split()}
                assert told, sentence


def test_about_half_of_the_answers_in_dialogs_are_bad(world: World) -> None:
    draw = random.Random(0)
    utilities = [gold_utility(question, flawed_answer(question, draw)) for question in questions_of(world)]
    perfect = sum(utility > 0.999 for utility in utilities) / len(utilities)
    assert 0.25 < perfect < 0.6


def test_the_written_corpus_never_asks_a_held_out_question(tmp_path: Path) -> None:
    settings = quick_settings()
    world = write_inputs(tmp_path, seed=5, settings=settings)
    rows = [json.loads(line) for line in (tmp_path / PROMPTS).read_text().splitlines()]
    held_out = {row["context"][0]["content"] for row in rows if row["split"] == "holdout"}
    files = sorted((tmp_path / CORPUS).glob("*.jsonl"))
    corpus = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    dialogs = [row["messages"] for row in corpus if "messages" in row]
    assert len(dialogs) == settings.num_dialogs
    assert not {messages[0]["content"] for messages in dialogs} & held_out
    assert rows == [import_row(prompt) for prompt in prompts_of(world)]
