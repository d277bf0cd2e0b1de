"""Small real parts for tests of pretraining: texts, a tokenizer, a recipe and a model of a few weights."""

import json
import random
from pathlib import Path
from typing import Any

from torch import nn

from pretrain.dialog import DialogEncoder
from pretrain.model import make_model
from pretrain.recipe import ModelRecipe, PretrainRecipe, StageRecipe
from pretrain.tokenizer import save_tokenizer, train_tokenizer

NAMES = ("Bado", "Kiru", "Lemo", "Nusi", "Tova", "Zeli")
COLOURS = ("red", "blue", "green", "white")


def sentences(count: int, seed: int = 0) -> list[str]:
    """Sentences about who likes which colour."""
    rng = random.Random(seed)
    return [f"{rng.choice(NAMES)} likes the colour {rng.choice(COLOURS)} best." for _ in range(count)]


def corpus_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:  # Any: JSON rows
    """Texts and dialogs by turns."""
    rows: list[dict[str, Any]] = []
    for place, sentence in enumerate(sentences(count, seed)):
        if place % 2:
            question = f"What does {sentence.split()[0]} like?"
            answer = [{"role": "user", "content": question}, {"role": "assistant", "content": sentence}]
            rows.append({"messages": answer})
        else:
            rows.append({"text": sentence})
    return rows


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:  # Any: JSON rows
    """Write JSON lines."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def make_tokenizer_folder(folder: Path, vocabulary_size: int = 330) -> Path:
    """A tokenizer learned from a few sentences."""
    save_tokenizer(train_tokenizer(sentences(200), vocabulary_size), folder, max_length=64)
    return folder


def small_model(tokenizer_folder: Path, seed: int = 0, max_length: int = 64) -> nn.Module:
    """Two layers, 32 wide, random weights."""
    recipe = ModelRecipe(num_layers=2, hidden_size=32, head_size=8, num_kv_heads=2)
    return make_model(recipe, DialogEncoder.from_folder(tokenizer_folder), max_length, seed)


def quick_recipe(**changes: Any) -> PretrainRecipe:  # Any: the recipe's own fields
    """A recipe whose stages take a few seconds together."""
    recipe = PretrainRecipe(
        name="quick",
        vocabulary_size=330,
        model=ModelRecipe(num_layers=1, hidden_size=32, head_size=8),
        initial=StageRecipe(num_steps=30, num_rows=4, sequence_length=32),
        long_context=StageRecipe(num_steps=5, num_rows=2, sequence_length=64),
        annealing=StageRecipe(num_steps=10, num_rows=2, sequence_length=64),
        learning_rate=1e-2,
        warmup_steps=5,
        final_fraction=0.1,
        num_averaged=3,
        holdout_fraction=0.05,
    )
    return PretrainRecipe.model_validate({**recipe.model_dump(), **changes})
