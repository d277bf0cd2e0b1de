"""The recall task's rows and how needles are scored, against rows and probabilities worked out by hand."""

import itertools
import random
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from pretrain.corpus import Document
from pretrain.dialog import DialogEncoder
from pretrain.make_tokenizer import make_tokenizer
from pretrain.needle_plot import needle_svg
from pretrain.needles import Cell, even_depths, measure_cells, scored
from pretrain.recall import KEYS, VALUES, Fact, RecallTask
from pretrain.run import ProgramError
from tests.pretrain.factories import sentences, small_model
from tests.pretrain.gated import gated_recipe


@pytest.fixture
def task(encoder: DialogEncoder) -> RecallTask:
    documents = encoder.encode_documents(sentences(30))
    return RecallTask(encoder, np.concatenate([np.array(ids) for ids in documents]))


def test_a_row_has_its_facts_at_their_depths_and_its_questions_at_the_end(
    task: RecallTask, encoder: DialogEncoder
) -> None:
    facts = [Fact("amber", "violet", 1.0), Fact("cedar", "raven", 0.0)]
    row = task.row(np.random.default_rng(0), 120, facts, facts[::-1])
    assert len(row.tokens_T) == 120
    text = encoder.decode(row.tokens_T)
    assert text.startswith(" Remember cedar raven.")
    assert text.endswith(" Remember amber violet. Remember cedar raven. Remember amber violet.")
    assert [encoder.decode(row.tokens_T[answer]) for answer in row.answers] == [" raven", " violet"]


def test_rows_come_from_their_random_numbers_alone(task: RecallTask) -> None:
    rows = [task.training_row(np.random.default_rng(seed), 200, 3).tokens_T for seed in (1, 1, 2)]
    assert (rows[0] == rows[1]).all() and (rows[0] != rows[2]).any()


def test_a_row_without_room_for_its_needle_is_refused_with_a_sentence(task: RecallTask) -> None:
    with pytest.raises(ProgramError, match="A row of 16 tokens has no room for 1 facts and 1 questions"):
        task.training_row(np.random.default_rng(0), 16, 1)


def test_a_needle_s_scores_are_those_of_the_whole_answer(task: RecallTask, tokenizer_folder: Path) -> None:
    model = small_model(tokenizer_folder, max_length=256).eval()
    row = task.row(
        np.random.default_rng(0), 100, [Fact("amber", "violet", 0.5)], [Fact("amber", "violet", 0.5)]
    )
    (answer,) = row.answers
    assert answer.stop - answer.start > 1, "this tokenizer never saw the values"
    exact, preferred, right, margin = scored(model, task, row.tokens_T, answer, "violet")
    with torch.no_grad():
        logits_TV = model(torch.from_numpy(row.tokens_T)[None]).logits[0]
    log_TV = F.log_softmax(logits_TV, -1)
    expected = sum(
        log_TV[place - 1, row.tokens_T[place]].item() for place in range(answer.start, answer.stop)
    )
    assert right == pytest.approx(expected, abs=1e-4)
    assert preferred == float(margin > 0)
    assert exact == 0.0


def test_measuring_draws_no_random_numbers_of_torch_and_gives_a_cell_each(
    task: RecallTask, tokenizer_folder: Path
) -> None:
    model = small_model(tokenizer_folder, max_length=256).train()
    before = torch.get_rng_state()
    done: list[int] = []
    cells = measure_cells(
        model, task, lengths=[64, 80], depths=even_depths(2), num_trials=1, after_cell=done.append
    )
    assert torch.equal(before, torch.get_rng_state()) and model.training
    assert [(cell.length, cell.depth) for cell in cells] == [(64, 0.0), (64, 1.0), (80, 0.0), (80, 1.0)]
    assert done == [1, 2, 3, 4]


def test_the_picture_tells_each_cell_in_words_too() -> None:
    cell = Cell(
        length=1024, depth=0.5, num_trials=4, recall=0.75, preferred=1, log_probability=-0.1, margin=2.5
    )
    picture = needle_svg([cell])
    assert "1,024 tokens, depth 50%: 75% of 4 found, 2.50 nats above the best other value" in picture
    assert picture.count("<rect") == 2, "the ground and the cell"
    odd = ElementTree.fromstring(needle_svg([cell], title='1 < 2 & "more"'))
    assert odd.get("aria-label") == '1 < 2 & "more"'


def test_a_tokenizer_that_is_taught_recall_has_its_words_whole(tmp_path: Path) -> None:
    letters = random.Random(0)
    words = ["".join(letters.choices("abcdefghijklmnopqrstuvwxyz", k=5)) for _ in range(4000)]
    documents = [
        Document(text=" ".join(words[first : first + 40]), source="a") for first in range(0, 4000, 4)
    ]
    folder = tmp_path / "tokenizer"
    make_tokenizer(documents, gated_recipe().model_copy(update={"vocabulary_size": 1024}), folder)
    task = RecallTask(DialogEncoder.from_folder(folder), np.zeros(1, dtype=np.int64))
    for key, value in itertools.product(KEYS, VALUES):
        assert len(task.fact_tokens(Fact(key, value, 0.0))) == 4
