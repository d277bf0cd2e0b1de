"""Tiny models, tokenizers and prompts for the tests of sampling, made from a seed."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaForCausalLM, LlamaForSequenceClassification

from alignment.records import PromptRecord
from annotation.records import Message, PreferenceRecord, Record, Strength, write_records
from pretrain.checkpoint_folder import canary_token_ids, logprobs, save_checkpoint_folder
from pretrain.dialog import SPECIAL_TOKENS, DialogEncoder

NUM_LAYERS = 2


def make_tokenizer(folder: Path) -> Path:
    """A tokenizer of single bytes and the protocol's tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*SPECIAL_TOKENS, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    folder.mkdir(parents=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def make_config(tokenizer: Path, **fields: object) -> LlamaConfig:
    """Two layers, 64 wide, with grouped queries; large weights, so that models tell tokens apart."""
    encoder = DialogEncoder.from_folder(tokenizer)
    return LlamaConfig(
        vocab_size=encoder.vocabulary_size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=NUM_LAYERS,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=256,
        initializer_range=0.2,
        pad_token_id=encoder.pad_id,
        **{"tie_word_embeddings": False, **fields},
    )


def make_policy(folder: Path, tokenizer: Path, *, seed: int, **fields: object) -> Path:
    """A causal language model with random weights."""
    torch.manual_seed(seed)
    save_checkpoint_folder(LlamaForCausalLM(make_config(tokenizer, **fields)), tokenizer, folder)
    return folder


def make_tied_policy(folder: Path, tokenizer: Path, *, seed: int) -> Path:
    """A model whose embeddings are tied, as `save_checkpoint_folder` would not write it."""
    make_policy(folder, tokenizer, seed=seed)
    torch.manual_seed(seed)
    model = LlamaForCausalLM(make_config(tokenizer, tie_word_embeddings=True))
    model.save_pretrained(folder)
    token_ids = canary_token_ids(DialogEncoder.from_folder(tokenizer))
    write_canary(folder, token_ids, logprobs(model, token_ids))
    return folder


def make_reward_model(folder: Path, tokenizer: Path, *, seed: int) -> Path:
    """A scalar-head model with random weights."""
    torch.manual_seed(seed)
    model = LlamaForSequenceClassification(make_config(tokenizer, num_labels=1))
    save_checkpoint_folder(model, tokenizer, folder)
    return folder


def write_canary(folder: Path, token_ids: list[int], values: list[float]) -> None:
    """Another canary.json."""
    (folder / "canary.json").write_text(json.dumps({"token_ids": token_ids, "logprobs": values}))


def make_prompts(count: int) -> list[PromptRecord]:
    """Prompts of one user message each."""
    return [
        PromptRecord(
            id=f"prompt-{number}",
            domain="sums",
            language="en",
            context=(Message(role="user", content=f"What is {number} + 2?"),),
        )
        for number in range(count)
    ]


def make_preferences(count: int) -> list[PreferenceRecord]:
    """Judgements of two answers each."""
    return [
        PreferenceRecord.model_validate(
            {
                **{name: getattr(prompt, name) for name in ("id", "domain", "language", "context")},
                "round": 1,
                "responses": [
                    {"content": "It is so.", "model": "a", "origin": "chosen"},
                    {"content": f"No, {prompt.id}!", "model": "b", "origin": "rejected"},
                ],
                "strength": Strength.BETTER,
                "annotator": "ann",
                "created": "2026-01-01T00:00:00Z",
            }
        )
        for prompt in make_prompts(count)
    ]


def write_file(path: Path, records: list[PromptRecord] | list[PreferenceRecord]) -> Path:
    """The records as a JSONL file."""
    rows: list[Record] = [*records]
    write_records(path, rows)
    return path
