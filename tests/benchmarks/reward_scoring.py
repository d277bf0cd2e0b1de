"""Scoring K answers to a prompt against transformers: `python -m tests.benchmarks.reward_scoring --json F`.

Ours is vLLM's pooling runner with its prefix cache, as rejection sampling uses it; the peer is a padded
batch of a prompt's K answers. The same reward model on the same token ids, one thread, by CPU time.
"""

import argparse
import tempfile
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from alignment.sampling.engine import RewardEngine  # before torch: it sets what vLLM reads

# isort: split
import torch
from rich.console import Console
from torch import nn
from transformers import LlamaForSequenceClassification

from alignment.programs import EngineConfig
from pretrain.checkpoint_folder import save_checkpoint_folder
from pretrain.tokenizer import train_tokenizer
from tests.benchmarks.measuring import Case, StepClock, compare, write_report
from tests.benchmarks.preference_training import make_reward_model

CASES = {
    "k16": (16, 512, 64),
    "k30": (30, 512, 64),
    "k16_256_128": (16, 256, 128),
    "k16_64_256": (16, 64, 256),
}
"""K, the tokens of a prompt, and the mean of an answer's, which are half as many to half as many again."""
NUM_PROMPTS = 16
"""The first quarter of them warms up."""
LOWEST_TOKEN = 300
"""Above what the tokenizer knows as special."""


def make_folder(folder: Path) -> Path:
    """The reward model of the training benchmark, its head drawn at random, with a tokenizer."""
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir()
    train_tokenizer(["user assistant system"] * 20, 300).save(str(tokenizer / "tokenizer.json"))
    model = make_reward_model()
    nn.init.normal_(model.score.weight, std=0.1)
    save_checkpoint_folder(model, tokenizer, folder / "model")
    return folder / "model"


def make_prompts(num_candidates: int, context_tokens: int, answer_tokens: int) -> list[list[list[int]]]:
    """For each prompt, its K rows: the same context and an answer each."""
    generator = torch.Generator().manual_seed(3)

    def tokens(length: int) -> list[int]:
        drawn: list[int] = torch.randint(LOWEST_TOKEN, 16_000, (length,), generator=generator).tolist()
        return drawn

    prompts = []
    for _ in range(NUM_PROMPTS):
        context = tokens(context_tokens)
        lengths = torch.randint(
            answer_tokens // 2, answer_tokens * 3 // 2, (num_candidates,), generator=generator
        ).tolist()
        prompts.append([context + tokens(length) for length in lengths])
    return prompts


def score_with_accord(folder: Path, prompts: Sequence[list[list[int]]], clock: StepClock) -> None:
    """All rows at once, as the sampling programs do."""
    engine = RewardEngine(folder, EngineConfig(num_threads=1, kv_cache_gib=1.0, max_model_len=1024))
    for part in warm_and_measured(prompts):
        clock.begin()
        rows = [row for prompt in part for row in prompt]
        clock.step_done(loss=sum(engine.score(rows)) / len(rows), num_tokens=sum(map(len, rows)))
    clock.losses = engine.score(prompts[0])


@torch.no_grad()
def score_with_transformers(folder: Path, prompts: Sequence[list[list[int]]], clock: StepClock) -> None:
    """One padded batch for each prompt."""
    model = LlamaForSequenceClassification.from_pretrained(folder).eval()
    pad = model.config.pad_token_id

    def rewards(prompt: list[list[int]]) -> list[float]:
        width = max(map(len, prompt))
        ids_BT = torch.tensor([row + [pad] * (width - len(row)) for row in prompt])
        found: list[float] = model(input_ids=ids_BT, attention_mask=ids_BT != pad).logits[:, 0].tolist()
        return found

    for part in warm_and_measured(prompts):
        clock.begin()
        means = [sum(rewards(prompt)) / len(prompt) for prompt in part]
        padded = sum(max(map(len, prompt)) * len(prompt) for prompt in part)
        clock.step_done(loss=sum(means) / len(means), num_tokens=padded)
    clock.losses = rewards(prompts[0])


def warm_and_measured(prompts: Sequence[list[list[int]]]) -> list[Sequence[list[list[int]]]]:
    """The prompts that warm up, and those that count."""
    return [prompts[: NUM_PROMPTS // 4], prompts[NUM_PROMPTS // 4 :]]


def main() -> None:
    """Run both cases, print a line for each, write the report."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.reward_scoring")
    parser.add_argument("--json", type=Path, required=True)
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    console = Console()
    done: list[Case] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = make_folder(Path(temporary))
        for name, sizes in CASES.items():
            prompts = make_prompts(*sizes)
            case = compare(
                name,
                partial(score_with_accord, folder, prompts),
                partial(score_with_transformers, folder, prompts),
            )
            done.append(case)
            console.print(
                f"{case.name}: ours {case.ours['seconds_per_step']:.2f} s, transformers "
                f"{case.peer['seconds_per_step']:.2f} s, ratio {case.ratio:.2f}, "
                f"rewards within {case.loss_difference:.1e}"
            )
            write_report(chosen.json, done, model="Llama, 10.5M parameters under a scalar head, fp32")


if __name__ == "__main__":
    main()
