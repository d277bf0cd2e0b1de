"""How much memory a training takes on each process of a mesh, before there is one. Pure.

Comes in: a model's shape, a mesh, rows. Goes out: bytes of weights, gradients, optimizer state and
activations on the process of the mesh that holds most. What is counted is what `pretrain.parallel` keeps:
fp32 weights sharded over data and context (FSDP2), gathered and their gradients whole between the forward
passes and the last backward pass; AdamW's two moments; the tensors that autograd keeps for the backward pass.

Symbols of the formulas: h width, f feed-forward size, a heads, V vocabulary, t tensor, c context, p pipeline
parallelism, v stages per process, S tokens of a row, e bytes of a product (2 in bf16, 4 in fp32).
"""

from dataclasses import dataclass
from typing import Literal

from pretrain.parallel.plan import ParallelPlan, layers_of_stages
from pretrain.recipe import ModelRecipe

FP32 = 4
MOMENTS = 2
GIB = 1 << 30

KEPT_LOGITS = 1 << 26
"""Probabilities of a microbatch's tokens up to which the head keeps them: 256 MiB in fp32. Beyond it computes
them again, a chunk at a time (`pretrain.packed.head`)."""

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on one process."""

    parameters: int
    """Its shards, and the whole weights of its layers while they are gathered."""
    gradients: int
    optimizer: int
    activations: int
    """Of all microbatches under way, the mask apart."""
    mask: int
    """What attention keeps of who may see whom: a matrix in each layer, or in the one computed again."""

    @property
    def total(self) -> int:
        """All of it. Buffers of communication and the allocator's gaps come on top."""
        return self.parameters + self.gradients + self.optimizer + self.activations + self.mask


def num_weights(model: ModelRecipe, vocabulary_size: int) -> int:
    """All weights, embedding and head apart from each other."""
    outside = 2 * vocabulary_size * model.hidden_size + model.hidden_size
    return outside + model.num_layers * (layer_matrices(model) + 2 * model.hidden_size)


def layer_matrices(model: ModelRecipe) -> int:
    """Weights of one layer's matrices: query and output, key and value, gate, up and down."""
    key_value = model.num_kv_heads * model.head_size
    return model.hidden_size * (2 * model.hidden_size + 2 * key_value + 3 * model.ffn_size)


def memory_of(
    model: ModelRecipe,
    vocabulary_size: int,
    plan: ParallelPlan,
    *,
    num_rows: int,
    length: int,
    precision: Precision,
) -> Memory:
    """Of the pipeline's process that takes most, in a step of `num_rows` rows of `length` tokens."""
    ranks = [
        rank_memory(model, vocabulary_size, plan, rank, num_rows=num_rows, length=length, precision=precision)
        for rank in range(plan.pipeline)
    ]
    return max(ranks, key=lambda memory: memory.total)


def rank_memory(
    model: ModelRecipe,
    vocabulary_size: int,
    plan: ParallelPlan,
    pipeline_rank: int,
    *,
    num_rows: int,
    length: int,
    precision: Precision,
) -> Memory:
    """The memory of one place in the pipeline."""
    layers = layers_of_stages(model.num_layers, plan.num_stages)
    own = [layers[place] for place in range(pipeline_rank, plan.num_stages, plan.pipeline)]
    num_layers = sum(map(len, own))
    is_first, is_last = pipeline_rank == 0, pipeline_rank == plan.pipeline - 1
    # Norms are whole in each process of a tensor group, matrices are cut.
    layer = layer_matrices(model) // plan.tensor + 2 * model.hidden_size
    table = vocabulary_size * model.hidden_size // plan.tensor
    weights = num_layers * layer + (is_first + is_last) * table + is_last * model.hidden_size

    num_shards = plan.data * plan.context
    num_microbatches = num_rows // (plan.data * plan.rows_per_microbatch)
    gathered = 0 if num_shards == 1 else layer if plan.reshard_after_forward else weights
    # Gradients are reduced with the last microbatch; until then they add up whole.
    whole_gradients = weights if num_shards > 1 and num_microbatches > 1 else 0

    own_tokens = plan.rows_per_microbatch * length // plan.context
    under_way = in_flight(plan, pipeline_rank, num_microbatches)
    layer_tokens = layer_bytes(model, plan, precision)
    outside = outside_bytes(model, vocabulary_size, plan, precision, own_tokens) if is_last else 0
    masked = mask_bytes(plan, length, precision)
    if plan.recompute_activations:
        # The head is done with when the first layer is computed again.
        kept = under_way * num_layers * input_bytes(model, plan) + max(layer_tokens, outside)
        # Beside the numbers that are added to the scores, the truth values that they are made of.
        masked += masked / element_size(precision)
    else:
        kept = under_way * num_layers * layer_tokens + outside
        masked *= under_way * num_layers
    return Memory(
        parameters=FP32 * (weights // num_shards + gathered),
        gradients=FP32 * (weights // num_shards + whole_gradients),
        optimizer=MOMENTS * FP32 * (weights // num_shards),
        activations=round(own_tokens * kept),
        mask=round(own_tokens * masked),
    )


def layer_bytes(model: ModelRecipe, plan: ParallelPlan, precision: Precision) -> float:
    """What one layer keeps of a token, for the backward pass.

    In one process 44h + 16f + 4a + 8 bytes in fp32, 36h + 8f + 4a + 8 in bf16: of both norms the fp32 input
    and normalised input (16h) with their inverse roots (8); what goes into attention and feed-forward (2eh);
    query, and keys and values repeated for all heads (3eh), the attention's output in two orders (2eh; in
    bf16 3eh more of copies that autocast makes) and its log-sums (4a); in the feed-forward gate, its SiLU, up
    and their product (4ef). Counted as Korthikanti et al. 2022, section 4.1, count GPT's layer, and checked
    against what autograd keeps. With t processes all is cut (sequence parallelism) but the two inputs, which
    are gathered. With c context processes keys and values are those of all tokens up to a chunk's end:
    c + 1/2 times as many.
    """
    width, size = model.hidden_size, element_size(precision)
    norms = 16 * width + 8
    gathered_inputs = 2 * size * width
    keys_values = 2 * size * width
    # Query, output, and the output once more in the projection's order; in bf16 what autocast casts, too.
    query_output = (6 if precision == "bf16" else 3) * size * width
    rest = query_output + 4 * size * model.ffn_size + 4 * model.num_heads
    far = plan.context + 0.5 if plan.context > 1 else 1.0
    return gathered_inputs + (norms + keys_values * far + rest) / plan.tensor


def input_bytes(model: ModelRecipe, plan: ParallelPlan) -> float:
    """What is kept of a token where a layer is computed again: the fp32 hidden state that goes into it."""
    return FP32 * model.hidden_size / plan.tensor


def outside_bytes(
    model: ModelRecipe, vocabulary_size: int, plan: ParallelPlan, precision: Precision, own_tokens: int
) -> float:
    """What the end of the model keeps of a token: the last norm, the head's input, and the probabilities, in
    fp32 where the vocabulary is cut, else in the products' precision and only of few tokens."""
    norm = 8 * model.hidden_size + 4
    size = element_size(precision)
    if plan.tensor > 1:
        probabilities = FP32 * vocabulary_size
    else:
        probabilities = size * vocabulary_size if own_tokens * vocabulary_size <= KEPT_LOGITS else 0
    return (norm + probabilities) / plan.tensor + size * model.hidden_size


def mask_bytes(plan: ParallelPlan, length: int, precision: Precision) -> float:
    """What a layer's attention keeps of a token's mask: a number for each token up to its chunk's end."""
    if plan.context == 1:
        return element_size(precision) * length
    return element_size(precision) * length * (2 * plan.context + 1) / (4 * plan.context)


def in_flight(plan: ParallelPlan, pipeline_rank: int, num_microbatches: int) -> float:
    """Microbatches whose activations a process keeps at once, counted in all of its layers.

    1F1B: as many as there are processes from here to the end of the pipeline. Interleaved: the first process
    keeps 1 + (p - 1) / (pv) times p (Narayanan et al. 2021, section 2.2). Without a pipeline one.
    """
    if plan.pipeline == 1:
        return 1
    if plan.stages_per_process > 1:
        more = 1 + (plan.pipeline - 1) / (plan.pipeline * plan.stages_per_process)
        return min(num_microbatches, plan.pipeline * more)
    return min(num_microbatches, plan.pipeline - pipeline_rank)


def element_size(precision: Precision) -> int:
    """Bytes of a product."""
    return 2 if precision == "bf16" else 4
