"""DPO, reward-model and SFT steps against TRL: `python -m tests.benchmarks.preference_training --json FILE`.

Each case trains the same small Llama on the same rows, ours and TRL's one after another, on one thread.
`--cases dpo_512_64_fp32 memory_128k` runs some of them.
"""

import argparse
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from rich.console import Console
from torch import nn
from transformers import LlamaConfig, LlamaForCausalLM

from alignment.training.reward import reward_model_from
from alignment.training.rows import Row
from tests.benchmarks import accord_side, trl_side
from tests.benchmarks.measuring import Case, Settings, compare, write_report

LENGTHS = ((512, 64), (256, 128), (64, 256))
"""Prompt and response."""
STEP = 4
"""Rows of one optimizer step."""
NUM_STEPS = 3
"""The first one does not count."""
LEARNING_RATE = 1e-4
VOCABULARY = 16_384
MAX_TOKENS = 2048
"""Ours: tokens of one forward pass."""
PACKED_LENGTH = 1024
"""TRL's packed sequences."""


def make_model(vocabulary: int = VOCABULARY, *, width: int = 256, num_layers: int = 8) -> LlamaForCausalLM:
    """A Llama of 14.7M parameters with grouped-query attention, the same for each side."""
    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=width,
            intermediate_size=3 * width,
            num_hidden_layers=num_layers,
            num_attention_heads=width // 64,
            num_key_value_heads=max(1, width // 128),
            max_position_embeddings=4096,
            tie_word_embeddings=False,
            pad_token_id=0,
        )
    )


def make_reward_model() -> nn.Module:
    """The same layers under a scalar head."""
    return reward_model_from(make_model(), 0)


def make_rows(num: int, context: int, *responses: int, vocabulary: int = VOCABULARY) -> list[Row]:
    """Rows of random tokens, all of the same lengths: nothing for the peer to pad."""
    generator = torch.Generator().manual_seed(1)

    def tokens(length: int) -> list[int]:
        drawn: list[int] = torch.randint(2, vocabulary, (length,), generator=generator).tolist()
        return drawn

    return [
        Row(
            context=tokens(context),
            responses=[tokens(length) for length in responses],
            format_masks=[[False] * length for length in responses],
        )
        for _ in range(num)
    ]


def make_dialogs(num: int) -> list[Row]:
    """Rows of one response, with lengths as spread as those of real dialogs."""
    generator = torch.Generator().manual_seed(2)
    contexts = torch.randint(32, 512, (num,), generator=generator).tolist()
    responses = torch.randint(16, 320, (num,), generator=generator).tolist()
    return [
        row
        for context, response in zip(contexts, responses, strict=True)
        for row in make_rows(1, context, response)
    ]


def dpo_case(name: str, context: int, response: int, bf16: bool) -> Case:
    """Two responses of the same length."""
    rows = make_rows(STEP * NUM_STEPS, context, response, response)
    settings = Settings(learning_rate=LEARNING_RATE, bf16=bf16, step=STEP)
    return compare(
        name,
        lambda clock: accord_side.train_dpo(make_model(), rows, clock, settings, max_tokens=MAX_TOKENS),
        lambda clock: trl_side.train_dpo(make_model(), rows, clock, settings, microbatch=2),
    )


def reward_case(name: str, context: int, response: int, num_responses: int, bf16: bool) -> Case:
    """All pairs of a ranking: one for two responses, three for three."""
    rows = make_rows(STEP * NUM_STEPS, context, *[response] * num_responses)
    num_pairs = num_responses * (num_responses - 1) // 2
    settings = Settings(learning_rate=LEARNING_RATE, bf16=bf16, step=STEP)
    of_pairs = replace(settings, step=STEP * num_pairs)
    return compare(
        name,
        lambda clock: accord_side.train_reward(
            make_reward_model(), rows, clock, settings, max_tokens=MAX_TOKENS
        ),
        lambda clock: trl_side.train_reward(make_reward_model(), rows, clock, of_pairs, microbatch=2),
    )


def sft_case(name: str, packed: bool, bf16: bool) -> Case:
    """Dialogs of many lengths; the peer's steps hold as many sequences as make the same number of tokens."""
    rows = make_dialogs(4 * STEP * NUM_STEPS)
    settings = Settings(learning_rate=LEARNING_RATE, bf16=bf16, step=4 * STEP)
    sequences = sum(row.num_tokens for row in rows) / PACKED_LENGTH / NUM_STEPS
    of_sequences = replace(settings, step=2 * round(sequences / 2))
    return compare(
        name,
        lambda clock: accord_side.train_sft(make_model(), rows, clock, settings, max_tokens=MAX_TOKENS),
        lambda clock: trl_side.train_sft(
            make_model(),
            rows,
            clock,
            of_sequences if packed else settings,
            microbatch=2 if packed else 4,
            packed_length=PACKED_LENGTH if packed else None,
        ),
    )


def memory_case(name: str) -> Case:
    """The peak of DPO steps with a vocabulary of 128K."""
    vocabulary = 131_072
    rows = make_rows(3 * 4, 256, 128, 128, vocabulary=vocabulary)
    settings = Settings(learning_rate=LEARNING_RATE, bf16=False, step=4)
    model = partial(make_model, vocabulary, width=64, num_layers=4)
    return compare(
        name,
        lambda clock: accord_side.train_dpo(model(), rows, clock, settings, max_tokens=MAX_TOKENS),
        lambda clock: trl_side.train_dpo(model(), rows, clock, settings, microbatch=4),
        by="peak_memory_mb",
    )


def all_cases() -> dict[str, Callable[[str], Case]]:
    """Every case by its name."""
    cases: dict[str, Callable[[str], Case]] = {}
    for precision in ("fp32", "bf16"):
        bf16 = precision == "bf16"
        for context, response in LENGTHS:
            lengths = f"{context}_{response}_{precision}"
            cases[f"dpo_{lengths}"] = partial(dpo_case, context=context, response=response, bf16=bf16)
            for kind, num in (("ranked3", 3), ("pairs", 2)):
                cases[f"{kind}_{lengths}"] = partial(
                    reward_case, context=context, response=response, num_responses=num, bf16=bf16
                )
        cases[f"sft_unpacked_{precision}"] = partial(sft_case, packed=False, bf16=bf16)
        cases[f"sft_packed_{precision}"] = partial(sft_case, packed=True, bf16=bf16)
    cases["memory_128k"] = memory_case
    return cases


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the cases, print a line for each, write the report."""
    cases = all_cases()
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.preference_training")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--cases", nargs="+", choices=cases, default=list(cases), metavar="CASE")
    chosen = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    console = Console()
    done: list[Case] = []
    for name in chosen.cases:
        case = cases[name](name)
        done.append(case)
        console.print(
            f"{name:24} ours {case.ours['seconds_per_step']:7.2f} s {case.ours['peak_memory_mb']:7.0f} MB   "
            f"TRL {case.peer['seconds_per_step']:7.2f} s {case.peer['peak_memory_mb']:7.0f} MB   "
            f"ratio {case.ratio:5.2f}   losses within {case.loss_difference:.1e}"
        )
        write_report(chosen.json, done, model="Llama, 14.7M parameters, vocabulary 16,384, fp32 weights")


if __name__ == "__main__":
    main()
