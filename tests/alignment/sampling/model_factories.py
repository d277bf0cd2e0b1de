"""Tiny models with random weights for the tests of sampling, and what transformers makes of them."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaForCausalLM, LlamaForSequenceClassification

from annotation.records import Message
from pretrain.checkpoint_folder import (
    canary_token_ids,
    load_causal_lm,
    logprobs,
    save_checkpoint_folder,
)
from pretrain.encoders import encoder_for


def make_config(tokenizer: Path, **fields: object) -> LlamaConfig:
    """Two layers, 64 wide, with grouped queries; large weights, so that models tell tokens apart."""
    encoder = encoder_for(tokenizer)
    return LlamaConfig(
        vocab_size=encoder.vocabulary_size,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        initializer_range=0.2,
        pad_token_id=encoder.pad_id,
        **{"max_position_embeddings": 256, "tie_word_embeddings": False, **fields},
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
    token_ids = canary_token_ids(encoder_for(tokenizer))
    write_canary(folder, token_ids, logprobs(model, token_ids))
    return folder


def make_overfit_policy(folder: Path, policy: Path, ids: list[int], num_context: int) -> Path:
    """The policy after it learned to go on with `ids` after the first `num_context` of them."""
    model = load_causal_lm(policy)
    labels = torch.tensor([[-100] * num_context + ids[num_context:]])
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(60):
        loss = model(input_ids=torch.tensor([ids]), labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    save_checkpoint_folder(model, policy, folder)
    return folder


def make_reward_model(folder: Path, tokenizer: Path, *, seed: int) -> Path:
    """A scalar-head model with random weights."""
    torch.manual_seed(seed)
    model = LlamaForSequenceClassification(make_config(tokenizer, num_labels=1))
    save_checkpoint_folder(model, tokenizer, folder)
    return folder


def transformers_rewards(folder: Path, context: Sequence[Message], responses: Sequence[str]) -> list[float]:
    """What transformers gives for each response."""
    encoder = encoder_for(folder)
    model = LlamaForSequenceClassification.from_pretrained(folder).eval()
    prompt = encoder.encode_context(context)
    with torch.no_grad():
        return [
            float(
                model(
                    input_ids=torch.tensor([prompt + encoder.encode_response(response, context=context)[0]])
                ).logits
            )
            for response in responses
        ]


def write_canary(folder: Path, token_ids: list[int], values: list[float]) -> None:
    """Another canary.json."""
    (folder / "canary.json").write_text(json.dumps({"token_ids": token_ids, "logprobs": values}))
