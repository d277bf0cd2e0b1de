"""Tasks with several answers, of which one is right: what accuracy in scaling laws is measured on.

Comes in: JSON lines `{"context", "choices", "answer"}`, or held-out documents, of which tasks are made by a
rule: a passage, how it goes on, and how three others go on. Goes out, for a model: the negative
log-likelihood of the right answers and how often one is the likeliest, both for each character (Llama 3,
section 3.2.1).

Shapes: B rows, T tokens of a row, V vocabulary.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from pydantic import Field, ValidationError
from torch import nn

from pretrain.dialog import DialogEncoder
from pretrain.failures import ProgramError, broken_field
from pretrain.run import ProgramConfig

CONTEXT_CHARACTERS, CHOICE_CHARACTERS = 160, 40
NUM_CHOICES = 4
ROWS = 64
"""Rows of one forward pass."""


class Task(ProgramConfig):
    """One task."""

    context: str = Field(min_length=1)
    choices: tuple[str, ...] = Field(min_length=2)
    answer: int = Field(ge=0)
    """The place of the right choice."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a model makes of the tasks."""

    answer_nll: float
    """Mean over the tasks, nats per character of the right answer."""
    accuracy: float


@dataclass(frozen=True, kw_only=True)
class EncodedTask:
    """A task as tokens."""

    context: list[int]
    choices: list[list[int]]
    num_characters: list[int]
    """Of each choice."""
    answer: int


def read_tasks(path: Path) -> list[Task]:
    """Tasks from JSON lines. Raises ProgramError with the line that is wrong."""
    tasks: list[Task] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            task = Task.model_validate_json(line)
        except ValidationError as error:
            raise ProgramError(f"{path}, line {number}: {broken_field(error)}. Mend the line.") from error
        if task.answer >= len(task.choices) or not all(task.choices):
            raise ProgramError(
                f"{path}, line {number}: answer counts the choices from 0, and none may be empty. Mend it."
            )
        tasks.append(task)
    if not tasks:
        raise ProgramError(f"There are no tasks in {path}: give a JSON object a line.")
    return tasks


def make_tasks(texts: Sequence[str], count: int, seed: int) -> list[Task]:
    """Tasks from texts that no model is trained on: which of four passages goes on here?"""
    draw = random.Random(seed)
    needed = CONTEXT_CHARACTERS + CHOICE_CHARACTERS
    long = [text for text in texts if len(text) > 2 * needed]
    if not long:
        raise ProgramError(
            f"No held-out document has {2 * needed} characters: give tasks, or longer documents."
        )
    passages: list[tuple[str, str]] = []
    while len(passages) < count + NUM_CHOICES:
        text = draw.choice(long)
        start = draw.randrange(len(text) - needed)
        # What goes on begins with a word, so that its tokens are those of the whole.
        cut = text.find(" ", start + CONTEXT_CHARACTERS)
        if cut < 0 or cut + CHOICE_CHARACTERS > len(text):
            continue
        passages.append((text[start:cut], text[cut : cut + CHOICE_CHARACTERS]))
    tasks: list[Task] = []
    for place in range(count):
        others = draw.sample([i for i in range(len(passages)) if i != place], NUM_CHOICES - 1)
        answer = draw.randrange(NUM_CHOICES)
        choices = [passages[other][1] for other in others]
        choices.insert(answer, passages[place][1])
        tasks.append(Task(context=passages[place][0], choices=tuple(choices), answer=answer))
    return tasks


def encode_tasks(tasks: Sequence[Task], encoder: DialogEncoder) -> list[EncodedTask]:
    """Contexts begin as documents do; choices follow without a token between."""

    def tokens(text: str) -> list[int]:
        return encoder.encode_documents([text])[0][:-1]

    return [
        EncodedTask(
            context=tokens(task.context),
            choices=[tokens(choice)[1:] for choice in task.choices],
            num_characters=[len(choice) for choice in task.choices],
            answer=task.answer,
        )
        for task in tasks
    ]


@torch.no_grad()
def measure(model: nn.Module, tasks: Sequence[EncodedTask], pad_id: int) -> Measured:
    """How likely the right answers are, and how often the likeliest is right."""
    rows = [(task.context, choice) for task in tasks for choice in task.choices]
    was_training = model.training
    model.eval()
    totals: list[float] = []
    for first in range(0, len(rows), ROWS):
        totals += nlls(model, rows[first : first + ROWS], pad_id)
    model.train(was_training)
    right, nll, place = 0, 0.0, 0
    for task in tasks:
        per_character = [totals[place + number] / length for number, length in enumerate(task.num_characters)]
        place += len(task.choices)
        right += per_character.index(min(per_character)) == task.answer
        nll += per_character[task.answer]
    return Measured(answer_nll=nll / len(tasks), accuracy=right / len(tasks))


def nlls(model: nn.Module, rows: Sequence[tuple[list[int], list[int]]], pad_id: int) -> list[float]:
    """The negative log-likelihood of each row's second part after its first, in nats."""
    length = max(len(context) + len(choice) for context, choice in rows)
    ids_BT = torch.full((len(rows), length), pad_id)
    counts_BT = torch.zeros((len(rows), length))
    for row, (context, choice) in enumerate(rows):
        end = len(context) + len(choice)
        ids_BT[row, :end] = torch.tensor([*context, *choice])
        counts_BT[row, len(context) : end] = 1
    # Causal attention: what stands before the padding does not see it.
    logits_BTV = model(input_ids=ids_BT, use_cache=False).logits[:, :-1].float()
    each_BT = F.cross_entropy(logits_BTV.transpose(1, 2), ids_BT[:, 1:], reduction="none")
    return [float(value) for value in (each_BT * counts_BT[:, 1:]).sum(1)]
