"""One side of the pretraining benchmark, in a process of its own: `python -m … SIDE PRECISION COMPILE OUT`.

Comes in: who trains (`accord`, `transformers`, `nanochat`, `litgpt`), in which precision, compiled or not.
Goes out: JSON with the CPU time, the tokens and the loss of each step. Peers are imported only by their own
side, from the environment that runs this; each trains as its own program does, on the same tokens.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

WIDTH, NUM_LAYERS, NUM_HEADS, NUM_KV_HEADS, FFN, VOCABULARY = 256, 6, 4, 2, 672, 16_384
"""12.7 million weights, embeddings untied."""
NANOCHAT_LAYERS, NANOCHAT_HEAD = 5, 128
"""Of its own architecture: no more products a token than ours; its default head size."""
LENGTH, NUM_ROWS = 512, 8
"""A row, and rows of one optimizer step."""
LEARNING_RATE, WEIGHT_DECAY, BETAS, MAX_NORM = 1e-3, 0.1, (0.9, 0.95), 1.0
Step = Callable[[int, Tensor, Tensor], float]
"""Trains on step, tokens and targets (B, T); the loss."""


def rows_of(step: int) -> tuple[Tensor, Tensor]:
    """A step's tokens and their targets (B, T), alike for all sides."""
    draw = torch.Generator().manual_seed(step)
    drawn = torch.randint(8, VOCABULARY, (NUM_ROWS, LENGTH + 1), generator=draw)
    return drawn[:, :-1].contiguous(), drawn[:, 1:].contiguous()


def make_llama() -> nn.Module:
    """The model of ours and of transformers."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=VOCABULARY,
            hidden_size=WIDTH,
            intermediate_size=FFN,
            num_hidden_layers=NUM_LAYERS,
            num_attention_heads=NUM_HEADS,
            num_key_value_heads=NUM_KV_HEADS,
            max_position_embeddings=LENGTH,
            tie_word_embeddings=False,
        )
    )


def accord(precision: str, compiled: bool, num_steps: int) -> Iterator[float]:
    """`pretrain.loop.train` with the loss of pretraining, metrics and progress written as always."""
    from pretrain.loop import LoopConfig, train
    from pretrain.model import next_token_loss
    from pretrain.packed.attention import use_planned_attention
    from pretrain.packing import TokenBatch
    from pretrain.run import RunFolder

    model = make_llama()
    if precision == "pure_bf16":
        model = model.to(torch.bfloat16)
    use_planned_attention(model)

    def batch_at(step: int) -> list[TokenBatch]:
        tokens_BT, targets_BT = rows_of(step)
        return [
            TokenBatch(
                input_ids_BT=tokens_BT,
                position_ids_BT=torch.arange(LENGTH).expand(NUM_ROWS, LENGTH),
                starts_BT=torch.zeros(NUM_ROWS, LENGTH, dtype=torch.long),
                targets_BT=targets_BT,
                num_targets=NUM_ROWS * LENGTH,
            )
        ]

    with tempfile.TemporaryDirectory() as name:
        folder = RunFolder(Path(name))
        done: list[float] = []
        train(
            model=model,
            batch_at=batch_at,
            loss=next_token_loss,
            config=LoopConfig(
                num_steps=num_steps,
                learning_rate=LEARNING_RATE,
                schedule="constant",
                weight_decay=WEIGHT_DECAY,
                beta2=BETAS[1],
                max_grad_norm=MAX_NORM,
                precision=precision,  # type: ignore[arg-type]  # one of its names
                checkpoint_seconds=1e9,
                log_every=1,
                seed=0,
            ),
            folder=folder,
            after_step=lambda _: done.append(time.process_time()),
        )
        losses = [row["loss"] for row in folder.read_metrics("metrics")]
    CLOCK.extend(done)
    yield from losses


CLOCK: list[float] = []
"""CPU time at the end of each step, where a side measures it itself."""


def transformers(precision: str, compiled: bool, num_steps: int) -> Iterator[float]:
    """The plain loop of its documentation: the model's own loss, torch's AdamW, clipping."""
    model: Any = make_llama()
    if precision == "pure_bf16":
        model = model.to(torch.bfloat16)
    run = torch.compile(model) if compiled else model
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, betas=BETAS, weight_decay=WEIGHT_DECAY
    )
    for step in range(num_steps):
        tokens_BT, targets_BT = rows_of(step)
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            loss = run(input_ids=tokens_BT, labels=targets_BT, shift_labels=targets_BT).loss
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), MAX_NORM)
        optimizer.step()
        yield loss.item()


def nanochat(precision: str, compiled: bool, num_steps: int) -> Iterator[float]:
    """Its model at our width, its Muon and AdamW, compiled whole, as its `base_train` does on a CPU."""
    from nanochat.gpt import GPT, GPTConfig  # type: ignore[import-not-found]  # another environment's

    heads = WIDTH // NANOCHAT_HEAD
    with torch.device("meta"):
        model: Any = GPT(
            GPTConfig(
                sequence_len=LENGTH,
                vocab_size=VOCABULARY,
                n_layer=NANOCHAT_LAYERS,
                n_head=heads,
                n_kv_head=heads,
                n_embd=WIDTH,
            )
        )
    model.to_empty(device="cpu")
    model.init_weights()
    optimizer = model.setup_optimizer(unembedding_lr=0.008, embedding_lr=0.3, weight_decay=0.28)
    run = torch.compile(model, dynamic=False) if compiled else model
    for step in range(num_steps):
        loss = run(*rows_of(step))
        loss.backward()
        optimizer.step()
        model.zero_grad(set_to_none=True)
        yield loss.item()


def litgpt(precision: str, compiled: bool, num_steps: int) -> Iterator[float]:
    """Its model, Fabric's precision, its chunked loss and AdamW, as its `pretrain` does on one device."""
    import lightning as L  # type: ignore[import-not-found]  # another environment's
    from litgpt.model import GPT, Config  # type: ignore[import-not-found]
    from litgpt.utils import chunked_cross_entropy  # type: ignore[import-not-found]

    names = {"fp32": "32-true", "bf16": "bf16-mixed", "pure_bf16": "bf16-true"}
    fabric = L.Fabric(accelerator="cpu", devices=1, precision=names[precision])
    torch.manual_seed(0)
    config = Config(
        block_size=LENGTH,
        vocab_size=VOCABULARY,
        padded_vocab_size=VOCABULARY,
        n_layer=NUM_LAYERS,
        n_head=NUM_HEADS,
        n_query_groups=NUM_KV_HEADS,
        n_embd=WIDTH,
        rotary_percentage=1.0,
        parallel_residual=False,
        bias=False,
        norm_class_name="RMSNorm",
        mlp_class_name="LLaMAMLP",
        intermediate_size=FFN,
    )
    with fabric.init_module():
        model: Any = GPT(config)
    model = fabric.setup(torch.compile(model) if compiled else model)
    optimizer = fabric.setup_optimizers(
        torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=BETAS, weight_decay=WEIGHT_DECAY)
    )
    for step in range(num_steps):
        tokens_BT, targets_BT = rows_of(step)
        loss = chunked_cross_entropy(model(tokens_BT), targets_BT)
        fabric.backward(loss)
        fabric.clip_gradients(model, optimizer, max_norm=MAX_NORM)
        optimizer.step()
        optimizer.zero_grad()
        yield loss.item()


SIDES = {"accord": accord, "transformers": transformers, "nanochat": nanochat, "litgpt": litgpt}


def main() -> None:
    """Train, and write what each step took."""
    side, precision, compiled, num_steps, out = sys.argv[1:]
    torch.set_num_threads(1)
    began = time.process_time()
    losses = []
    ends = []
    for loss in SIDES[side](precision, compiled == "compiled", int(num_steps)):
        losses.append(loss)
        ends.append(time.process_time())
    ends = CLOCK or ends
    seconds = [after - before for before, after in zip([began, *ends], ends, strict=False)]
    told = {
        "seconds": seconds,
        "losses": losses,
        "num_tokens": NUM_ROWS * LENGTH,
        "peak_memory_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    }
    Path(out).write_text(json.dumps(told))


if __name__ == "__main__":
    main()
