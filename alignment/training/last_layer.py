"""The last decoder layer, computed only where a loss reads what it gives.

Its keys and values are needed of every token; its queries, what they attend to and all that follows only of
tokens that are read: of responses in DPO and SFT, of each response's last token in a reward model. Families
whose layers are built alike take part; others compute everything, to the same results.
"""

from functools import partial
from typing import Any

from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.llama.modeling_llama import rotate_half

from alignment.training.attention_plan import Reading

FAMILIES = {"LlamaDecoderLayer", "MistralDecoderLayer", "Qwen2DecoderLayer", "Qwen3DecoderLayer"}
"""Pre-norm layers of attention with rotary positions and a feed-forward network, added one after another."""


def read_last_layer_early(model: nn.Module) -> None:
    """Let the last layer of a model of a known family heed `read=…`, a Reading."""
    layers = getattr(model.base_model, "layers", None)
    if layers is not None and type(layers[-1]).__name__ in FAMILIES:
        layers[-1].forward = partial(last_layer, layers[-1])


def last_layer(
    layer: Any,  # Any: a decoder layer of one of several classes with the same parts
    hidden_1ND: Tensor,
    *,
    read: Reading | None = None,
    **options: Any,  # Any: what transformers gives a layer
) -> Tensor:
    """The hidden states (1, M, D) of the places that are read; of all N without `read`."""
    if read is None:
        whole: Tensor = type(layer).forward(layer, hidden_1ND, **options)
        return whole
    after_attention = hidden_1ND.index_select(1, read.places_M) + attended(
        layer.self_attn, layer.input_layernorm(hidden_1ND), options["position_embeddings"], read
    )
    hidden_1MD: Tensor = after_attention + layer.mlp(layer.post_attention_layernorm(after_attention))
    return hidden_1MD


def attended(attention: Any, normed_1ND: Tensor, positions: tuple[Tensor, Tensor], read: Reading) -> Tensor:
    """What the attention of the layer gives at the places that are read (1, M, D)."""
    cos_1ND, sin_1ND = positions
    places = read.places_M
    query = heads(attention.q_proj(normed_1ND.index_select(1, places)), attention)
    key = heads(attention.k_proj(normed_1ND), attention)
    value = heads(attention.v_proj(normed_1ND), attention)
    if hasattr(attention, "q_norm"):
        query, key = attention.q_norm(query), attention.k_norm(key)
    output_1MHD, _ = ALL_ATTENTION_FUNCTIONS[attention.config._attn_implementation](
        attention,
        rotated(query.transpose(1, 2), cos_1ND.index_select(1, places), sin_1ND.index_select(1, places)),
        rotated(key.transpose(1, 2), cos_1ND, sin_1ND),
        value.transpose(1, 2),
        None,
        dropout=attention.attention_dropout if attention.training else 0.0,
        scaling=attention.scaling,
        plan=read.plan,
        sliding_window=getattr(
            attention, "sliding_window", getattr(attention.config, "sliding_window", None)
        ),
    )
    output_1MD: Tensor = attention.o_proj(output_1MHD.flatten(2))
    return output_1MD


def heads(values_1ND: Tensor, attention: Any) -> Tensor:  # Any: see above
    """The values of each head (1, N, H, D)."""
    return values_1ND.unflatten(-1, (-1, attention.head_dim))


def rotated(values_1HND: Tensor, cos_1ND: Tensor, sin_1ND: Tensor) -> Tensor:
    """Queries or keys under their rotary positions (Su et al. 2021)."""
    turned: Tensor = rotate_half(values_1HND)
    return values_1HND * cos_1ND[:, None] + turned * sin_1ND[:, None]
