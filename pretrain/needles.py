"""Measuring recall: facts put into text at depths and lengths, and whether a model completes them.

Comes in: a model, a RecallTask, lengths and depths. Goes out: a Cell for each length and depth. An answer is
found where each of its tokens is the model's first choice; and the log-probability of the right value is
compared with that of every other value.

Shapes: B rows (one candidate each), T tokens, A tokens of answers, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pretrain.recall import RecallTask


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Recall at one length and depth."""

    length: int
    depth: float
    """0 at the beginning of the text, 1 just before the question."""
    num_trials: int
    recall: float
    """Needles completed exactly, as a part of all."""
    preferred: float
    """Needles whose value is more probable than every other value."""
    log_probability: float
    """Of the right value, nats, mean."""
    margin: float
    """By how many nats it is above the best other value, mean."""


def even_depths(num_depths: int) -> list[float]:
    """Depths from the beginning of the text to its end; the middle where there is one."""
    return [0.5] if num_depths == 1 else [place / (num_depths - 1) for place in range(num_depths)]


@torch.no_grad()
def measure_cells(
    model: nn.Module,
    task: RecallTask,
    *,
    lengths: Sequence[int],
    depths: Sequence[float],
    num_trials: int,
    num_facts: int = 1,
    seed: int = 0,
    after_cell: Callable[[int], None] | None = None,
) -> list[Cell]:
    """Cells by length, then depth. Needles depend on (seed, length, depth's place, trial) alone, and no
    random state of torch is touched. `after_cell` is told how many are done.

    Raises ProgramError where a length has no room for the facts and the question.
    """
    was_training = model.training
    model.eval()
    cells: list[Cell] = []
    for length in lengths:
        for place, depth in enumerate(depths):
            trials = []
            for trial in range(num_trials):
                random = np.random.default_rng((seed, length, place, trial))
                facts = task.draw_facts(random, num_facts, depth)
                row = task.row(random, length, facts, facts[:1])
                trials.append(scored(model, task, row.tokens_T, row.answers[0], facts[0].value))
            exact, preferred, right, margin = np.array(trials).mean(0).tolist()
            cells.append(
                Cell(
                    length=length,
                    depth=depth,
                    num_trials=num_trials,
                    recall=exact,
                    preferred=preferred,
                    log_probability=right,
                    margin=margin,
                )
            )
            if after_cell is not None:
                after_cell(len(cells))
    model.train(was_training)
    return cells


def scored(
    model: nn.Module, task: RecallTask, tokens_T: np.ndarray, answer: slice, value: str
) -> tuple[float, float, float, float]:
    """One needle: whether it is completed exactly, whether its value is the most probable of all values, its
    log-probability, and how far that is above the best other's."""
    device = next(model.parameters()).device
    prompt = torch.from_numpy(tokens_T[: answer.start]).to(device)
    if all(len(tokens) == 1 for tokens in task.values.values()):
        # One place tells of all values.
        choice_V = answer_scores(model, prompt, 1)[0]
        log_of = {name: choice_V[tokens[0]].item() for name, tokens in task.values.items()}
        exact = int(choice_V.argmax()) == task.values[value][0]
    else:
        log_of = {}
        for name, tokens in task.values.items():
            answer_A = torch.tensor(tokens, device=device)
            choices_AV = answer_scores(model, torch.cat([prompt, answer_A[:-1]]), len(tokens))
            log_of[name] = choices_AV.gather(1, answer_A[:, None]).sum().item()
            if name == value:
                exact = bool((choices_AV.argmax(-1) == answer_A).all())
    right = log_of.pop(value)
    best_other = max(log_of.values())
    return float(exact), float(right > best_other), right, right - best_other


def answer_scores(model: nn.Module, tokens_T: Tensor, num_answer: int) -> Tensor:
    """Log-probabilities (A, V) of what follows each of the last `num_answer` tokens."""
    hidden_BTD = model.model(input_ids=tokens_T[None], use_cache=False).last_hidden_state
    return F.log_softmax(model.lm_head(hidden_BTD[0, -num_answer:]).float(), dim=-1)
