"""TRL's trainers on the same pre-tokenised rows, with the options that make them fastest.

Activation checkpointing is off, the reference's log-probabilities are computed before training, and the
order of the data is ours. Comes in: a model and the rows of each step. Goes out: each step's loss, its
tokens and its CPU time, told to a StepClock.
"""

import tempfile
from collections.abc import Sequence
from typing import Any

from datasets import Dataset, disable_progress_bars
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from torch import nn
from torch.utils.data import SequentialSampler
from transformers import PreTrainedTokenizerFast, TrainerCallback
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer, SFTConfig, SFTTrainer

from alignment.training.rows import Row
from tests.benchmarks.measuring import Settings, StepClock

PAD = "<pad>"
COMMON: dict[str, Any] = {
    "use_cpu": True,
    "max_length": None,
    "gradient_checkpointing": False,
    "lr_scheduler_type": "constant",
    "max_grad_norm": 1.0,
    "dataloader_pin_memory": False,
    "report_to": "none",
    "save_strategy": "no",
    "remove_unused_columns": False,
    "logging_steps": 1,
    "disable_tqdm": True,
    "num_train_epochs": 1,
    "adam_beta2": 0.99,
    "weight_decay": 0.0,
    "optim": "adamw_torch_fused",
}


def train_dpo(
    model: nn.Module,
    rows: Sequence[Row],
    clock: StepClock,
    settings: Settings,
    *,
    microbatch: int,
    beta: float = 0.1,
    nll_coefficient: float = 0.2,
) -> None:
    """DPO with the NLL term over `rows`, of two responses each, `settings.step` rows a step."""
    config = DPOConfig(
        **COMMON,
        output_dir=tempfile.mkdtemp(),
        learning_rate=settings.learning_rate,
        bf16=settings.bf16,
        per_device_train_batch_size=microbatch,
        gradient_accumulation_steps=settings.step // microbatch,
        beta=beta,
        loss_type=["sigmoid", "sft"],
        loss_weights=[1.0, nll_coefficient],
        disable_dropout=True,
        precompute_ref_log_probs=True,
    )
    dataset = Dataset.from_list(
        [
            {"prompt_ids": row.context, "chosen_ids": row.responses[0], "rejected_ids": row.responses[1]}
            for row in rows
        ]
    )
    trainer = PretokenisedDpo(
        model=model,
        args=config,
        train_dataset=dataset,
        processing_class=tokenizer_of(model),
        callbacks=[Clock(clock)],
    )
    trainer.train()


def train_reward(
    model: nn.Module,
    rows: Sequence[Row],
    clock: StepClock,
    settings: Settings,
    *,
    microbatch: int,
) -> None:
    """A reward model over all pairs of each row's ranking; `settings.step` pairs a step."""
    config = RewardConfig(
        **COMMON,
        output_dir=tempfile.mkdtemp(),
        learning_rate=settings.learning_rate,
        bf16=settings.bf16,
        per_device_train_batch_size=microbatch,
        gradient_accumulation_steps=settings.step // microbatch,
    )
    dataset = Dataset.from_list(
        [
            {"chosen_ids": row.context + better, "rejected_ids": row.context + worse}
            for row in rows
            for place, better in enumerate(row.responses)
            for worse in row.responses[place + 1 :]
        ]
    )
    trainer = OrderedReward(
        model=model,
        args=config,
        train_dataset=dataset,
        processing_class=tokenizer_of(model),
        callbacks=[Clock(clock)],
    )
    trainer.train()


def train_sft(
    model: nn.Module,
    rows: Sequence[Row],
    clock: StepClock,
    settings: Settings,
    *,
    microbatch: int,
    packed_length: int | None,
) -> None:
    """SFT on the responses, `settings.step` sequences a step, packed to `packed_length` if given."""
    options = COMMON | {"max_length": packed_length}
    config = SFTConfig(
        **options,
        output_dir=tempfile.mkdtemp(),
        learning_rate=settings.learning_rate,
        bf16=settings.bf16,
        per_device_train_batch_size=microbatch,
        gradient_accumulation_steps=settings.step // microbatch,
        completion_only_loss=True,
        packing=packed_length is not None,
    )
    dataset = Dataset.from_list(
        [
            {
                "input_ids": row.context + row.responses[0],
                "completion_mask": [0] * len(row.context) + [1] * len(row.responses[0]),
            }
            for row in rows
        ]
    )
    trainer = OrderedSft(
        model=model,
        args=config,
        train_dataset=dataset,
        processing_class=tokenizer_of(model),
        callbacks=[Clock(clock)],
    )
    trainer.train()


class Clock(TrainerCallback):
    """Tells a StepClock of each step."""

    def __init__(self, clock: StepClock) -> None:
        self._clock = clock
        self._num_tokens = 0.0

    def on_train_begin(self, *args: Any, **rest: Any) -> None:  # Any: transformers' own
        """The reference is computed, the data loaded."""
        self._clock.begin()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float], **rest: Any) -> None:
        """Logged after each step."""
        if "loss" in logs:
            tokens = float(logs.get("num_tokens", 0))
            self._clock.step_done(loss=float(logs["loss"]), num_tokens=int(tokens - self._num_tokens))
            self._num_tokens = tokens


class PretokenisedDpo(DPOTrainer):
    """Takes rows that are token ids already, in their order."""

    def _prepare_dataset(self, dataset: Dataset, *args: Any) -> Dataset:
        return dataset

    def _get_train_sampler(self, *args: Any) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)


class OrderedReward(RewardTrainer):
    """Takes rows in their order."""

    def _get_train_sampler(self, *args: Any) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)


class OrderedSft(SFTTrainer):
    """Takes rows in their order."""

    def _get_train_sampler(self, *args: Any) -> SequentialSampler:
        return SequentialSampler(self.train_dataset)


def tokenizer_of(model: nn.Module) -> PreTrainedTokenizerFast:
    """A tokenizer that only knows padding: the rows are token ids."""
    disable_progress_bars()
    tokenizer = Tokenizer(WordLevel({PAD: 0, "<eos>": 1}, unk_token=PAD))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token=PAD, eos_token="<eos>")
