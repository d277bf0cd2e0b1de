"""Greedy soup of reward models: which of them to average, by their accuracy on held-out judgements.

Comes in: the AverageConfig and the checkpoints' tensors. Goes out: the members kept and every step. Each soup
that is tried is written into a folder beside `out`, loaded, measured and removed.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from alignment.accuracy import judged_margins, pair_accuracy
from alignment.programs import AverageConfig
from alignment.training.checkpoint_weights import CheckpointWeights, write_checkpoint
from alignment.training.merging import greedy_soup, weighted_mean
from annotation.records import PreferenceRecord, read_records
from pretrain.checkpoint_check import read_object
from pretrain.encoders import Encoder, encoder_for
from pretrain.run import ProgramError

Case = tuple[PreferenceRecord, list[list[int]]]
"""A held-out judgement and the token ids of each of its responses after their context."""


def reward_model_soup(
    config: AverageConfig, checkpoints: Sequence[CheckpointWeights]
) -> dict[str, Any]:  # Any: figures, written as JSON
    """{"kept": places of the members, "soup": the steps}. Raises ProgramError for other models."""
    assert config.holdout is not None, config
    check_reward_model(checkpoints[0].folder)
    encoder = encoder_for(checkpoints[0].folder)
    cases = holdout_cases(config.holdout, encoder, config.max_row_tokens)

    def accuracy(folder: Path) -> float:
        return holdout_accuracy(folder, cases)

    def accuracy_of_mean(members: tuple[int, ...]) -> float:
        config.out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=config.out.parent, prefix=f".{config.out.name}.soup-") as folder:
            write_mean(Path(folder), [checkpoints[member] for member in members])
            return accuracy(Path(folder))

    steps = greedy_soup([accuracy(checkpoint.folder) for checkpoint in checkpoints], accuracy_of_mean)
    return {
        "kept": [step.member for step in steps if step.kept],
        "soup": [{"member": step.member, "accuracy": step.metric, "kept": step.kept} for step in steps],
    }


def check_reward_model(folder: Path) -> None:
    """Raise ProgramError unless the folder's model is a reward model."""
    architectures = read_object(folder / "config.json").get("architectures") or []
    if not any(str(name).endswith("ForSequenceClassification") for name in architectures):
        raise ProgramError(
            f"{folder} is no reward model, and a greedy soup is measured by held-out judgements: "
            "average it by mean, slerp, ties or ema."
        )


def write_mean(folder: Path, members: Sequence[CheckpointWeights]) -> None:
    """Write the uniform mean of `members` into the folder."""
    weights = [1 / len(members)] * len(members)

    def mean(name: str) -> Tensor:
        return weighted_mean((member.tensor(name) for member in members), weights)

    write_checkpoint(folder, members[0], (mean(name) for name in members[0].shapes))


def holdout_cases(path: Path, encoder: Encoder, max_row_tokens: int) -> list[Case]:
    """The held-out records with the token ids of their responses, without those that are too long.

    Raises ProgramError where none is left.
    """
    cases: list[Case] = []
    for record in read_records(path, PreferenceRecord):
        context = encoder.encode_context(record.context)
        rows = [
            context + encoder.encode_response(response.content, context=record.context)[0]
            for response in record.responses
        ]
        if max(map(len, rows)) <= max_row_tokens:
            cases.append((record, rows))
    if not cases:
        raise ProgramError(
            f"{path} holds no judgement of at most {max_row_tokens} tokens to measure a greedy soup by: "
            "hold out more, raise max_row_tokens, or average by mean."
        )
    return cases


@torch.no_grad()
def holdout_accuracy(folder: Path, cases: Sequence[Case]) -> float:
    """How often the reward model of the folder agrees with the held-out judgements."""
    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device).eval()
    margins: list[tuple[str, float]] = []
    for record, rows in cases:
        rewards = [float(model(input_ids=torch.tensor([row], device=device)).logits[0, 0]) for row in rows]
        margins += judged_margins(record, rewards)
    return float(pair_accuracy(margins)["accuracy"])
