"""Decoder layers as training computes them: by plan, with little between matrix products, the last one only
where a loss reads it.

The keys and values of the last layer are needed of every token; its queries, what they attend to and all
that follows only of tokens that are read: of responses in DPO and SFT, of each response's last token in a
reward model. Families whose layers are built alike take part; others go through transformers' own layers, to
the same results.
"""

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from pretrain.packed.elementwise import rms_norm, rotated
from pretrain.packed.plan import AttentionPlan, Reading

FAMILIES = {"LlamaDecoderLayer", "MistralDecoderLayer", "Qwen2DecoderLayer", "Qwen3DecoderLayer"}
"""Pre-norm layers of attention with rotary positions and a feed-forward network, added one after another."""


def use_planned_layers(model: nn.Module) -> None:
    """Let the layers of a model of a known family heed `plan=…`, and its last one `read=…`, a Reading."""
    layers = getattr(model.base_model, "layers", [])
    for place, layer in enumerate(layers, start=1):
        if type(layer).__name__ in FAMILIES:
            layer.forward = partial(planned_layer, layer, is_last=place == len(layers))


def planned_layer(
    layer: Any,  # Any: a decoder layer of one of several classes with the same parts
    hidden_1ND: Tensor,
    *,
    is_last: bool,
    plan: AttentionPlan | None = None,
    read: Reading | None = None,
    **options: Any,  # Any: what transformers gives a layer
) -> Tensor:
    """The hidden states of every token, or of those that are read (1, M, D). Without a plan, the layer's own
    forward pass."""
    if plan is None:
        whole: Tensor = type(layer).forward(layer, hidden_1ND, **options)
        return whole
    places_M = None
    if is_last and read is not None:
        places_M, plan = read.places_M, read.plan
    attended = attend(
        layer.self_attn,
        rms_norm(layer.input_layernorm, hidden_1ND),
        options["position_embeddings"],
        plan,
        places_M,
    )
    hidden = at(places_M, hidden_1ND) + attended
    normed = rms_norm(layer.post_attention_layernorm, hidden)
    return hidden + layer.mlp(normed)


def attend(
    attention: Any,  # Any: see above
    normed_1ND: Tensor,
    positions: tuple[Tensor, Tensor],
    plan: AttentionPlan,
    places_M: Tensor | None,
) -> Tensor:
    """What the attention gives at the places, all of them for None (1, M, D)."""
    query = heads(attention.q_proj(at(places_M, normed_1ND)), attention)
    key = heads(attention.k_proj(normed_1ND), attention)
    value = heads(attention.v_proj(normed_1ND), attention)
    if hasattr(attention, "q_norm"):
        query, key = rms_norm(attention.q_norm, query), rms_norm(attention.k_norm, key)
    cos, sin = positions
    output_1MHE, _ = ALL_ATTENTION_FUNCTIONS[attention.config._attn_implementation](
        attention,
        rotated(query, (at(places_M, cos), at(places_M, sin))).transpose(1, 2),
        rotated(key, positions).transpose(1, 2),
        value.transpose(1, 2),
        None,
        dropout=attention.attention_dropout if attention.training else 0.0,
        scaling=attention.scaling,
        plan=plan,
        sliding_window=sliding_window(attention),
    )
    output_1MD: Tensor = attention.o_proj(output_1MHE.flatten(2))
    return output_1MD


def at(places_M: Tensor | None, values: Tensor) -> Tensor:
    """The values of the tokens at the places, all of them for None."""
    return values if places_M is None else torch.index_select(values, 1, places_M)


def heads(values_1ND: Tensor, attention: Any) -> Tensor:  # Any: see above
    """The values of each head (1, N, H, E)."""
    return values_1ND.unflatten(-1, (-1, attention.head_dim))


def sliding_window(attention: Any) -> int | None:  # Any: see above
    """How far the layer sees back: Mistral's says it in its configuration alone."""
    window: int | None = getattr(
        attention, "sliding_window", getattr(attention.config, "sliding_window", None)
    )
    return window
