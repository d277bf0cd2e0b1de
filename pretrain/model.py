"""The model of pretraining: a small Llama sized by one rule, and its next-token loss.

Comes in: a ModelRecipe and a tokenizer's encoder. Goes out: transformers' LlamaForCausalLM (grouped-query
attention, RoPE, SwiGLU, RMSNorm, embeddings untied), and the loss of a batch.

Shapes: B rows, T tokens of a row, M = B · T, D hidden size, V vocabulary.
"""

import torch
from torch import Tensor, nn
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaForCausalLM

from pretrain.dialog import DialogEncoder
from pretrain.packed.attention import attends_by_plan
from pretrain.packed.head import head_logprobs
from pretrain.packing import NO_TARGET, TokenBatch
from pretrain.recipe import ModelRecipe
from pretrain.utilisation import training_flops


def make_model(recipe: ModelRecipe, encoder: DialogEncoder, max_length: int, seed: int) -> nn.Module:
    """A model with random weights drawn from the seed, for contexts of up to `max_length` tokens."""
    config = LlamaConfig(
        vocab_size=encoder.vocabulary_size,
        hidden_size=recipe.hidden_size,
        intermediate_size=recipe.ffn_size,
        num_hidden_layers=recipe.num_layers,
        num_attention_heads=recipe.num_heads,
        num_key_value_heads=recipe.num_kv_heads,
        max_position_embeddings=max_length,
        rope_parameters={"rope_type": "default", "rope_theta": recipe.rope_theta},
        rms_norm_eps=1e-5,
        tie_word_embeddings=False,
        bos_token_id=encoder.begin_of_text_id,
        eos_token_id=list(encoder.stop_ids),
        pad_token_id=encoder.pad_id,
    )
    torch.manual_seed(seed)
    return LlamaForCausalLM(config)


def num_parameters(model: nn.Module) -> int:
    """All weights, embeddings included."""
    return sum(parameter.numel() for parameter in model.parameters())


def next_token_loss(model: nn.Module, batch: TokenBatch) -> tuple[Tensor, dict[str, float]]:
    """This batch's share of the step's mean loss over tokens.

    All places go through the LM head, though one of each document has no target: a shape that changes from
    step to step would cost more, because oneDNN compiles its bf16 products for each shape.
    """
    targets_M = batch.targets_BT.flatten()
    has_target_M = targets_M != NO_TARGET
    logprobs_M = head_logprobs(model.lm_head, hidden_states(model, batch), targets_M.clamp_min(0))
    total = -(logprobs_M * has_target_M).sum()
    flops = training_flops(model.config, batch.position_ids_BT)
    return total / max(1, batch.num_targets), {"num_tokens": float(has_target_M.sum()), "flops": flops}


def hidden_states(model: nn.Module, batch: TokenBatch) -> Tensor:
    """The last hidden states (M, D), each document by itself."""
    if attends_by_plan(model):
        rows = {
            "input_ids": batch.input_ids_BT.reshape(1, -1),
            "position_ids": batch.position_ids_BT.reshape(1, -1),
            "plan": batch.plan,
        }
    else:
        rows = {
            "input_ids": batch.input_ids_BT,
            "position_ids": batch.position_ids_BT,
            "attention_mask": batch.mask_B1TT,
        }
    hidden_BTD: Tensor = model.model(**rows, use_cache=False).last_hidden_state
    return hidden_BTD.flatten(0, 1)
