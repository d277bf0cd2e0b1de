"""How vLLM is set up for a checkpoint folder, the same for the offline engines and for a server.

Comes in: the folder, EngineConfig and the device. Goes out: vLLM's engine arguments by name. Pure: no
torch, no vLLM.
"""

import json
from pathlib import Path
from typing import Any

from alignment.canary import engine_precision
from alignment.programs import EngineConfig
from pretrain.run import ProgramError

EngineOptions = dict[str, Any]  # Any: arguments of many types

SMALL_BYTES = 256 << 20
"""Up to this size a model's engine needs one core: half of its time is Python."""

BLOCK_TOKENS = 32
"""Tokens of a KV block on the CPU, the smallest its kernels take. Answers to one prompt share whole
blocks, and vLLM's own 128 is longer than most prompts."""

STEP_TOKENS = 8192
"""Tokens of one forward pass."""


def engine_options(folder: Path, config: EngineConfig, *, num_engines: int, on_cpu: bool) -> EngineOptions:
    """vLLM's arguments for one of `num_engines` engines that share the device's memory."""
    max_model_len = model_limit(folder, config)
    options: EngineOptions = {
        "model": str(folder),
        "dtype": engine_precision(folder),
        "max_model_len": max_model_len,
        "enable_prefix_caching": True,
        "generation_config": "vllm",
        "disable_log_stats": True,
        "use_tqdm_on_load": False,
    }
    if not on_cpu:
        return options | {"gpu_memory_utilization": config.gpu_memory_fraction / num_engines}
    return options | {
        "enforce_eager": True,
        "block_size": BLOCK_TOKENS,
        "kv_cache_memory_bytes": int(config.kv_cache_gib * 2**30 / num_engines),
        # A prompt split over two steps crashes requests that have a seed: "CPU Generator does not use
        # offset". So every prompt must fit into one step.
        "enable_chunked_prefill": False,
        "max_num_batched_tokens": max(STEP_TOKENS, max_model_len),
    }


def num_cpu_processes(folder: Path, config: EngineConfig) -> int:
    """How many processes, each with its own engine, use `num_threads` cores best."""
    return config.num_threads if is_small(folder) else 1


def num_engine_threads(folder: Path, config: EngineConfig) -> int:
    """Threads of one engine on the CPU."""
    return 1 if is_small(folder) else config.num_threads


def is_small(folder: Path) -> bool:
    """Whether one core is enough for an engine of this folder's model."""
    return sum(file.stat().st_size for file in folder.glob("*.safetensors")) <= SMALL_BYTES


def model_limit(folder: Path, config: EngineConfig) -> int:
    """The most tokens of a prompt and its answer."""
    limit = int(model_config(folder)["max_position_embeddings"])
    return limit if config.max_model_len is None else min(limit, config.max_model_len)


def model_config(folder: Path) -> dict[str, Any]:  # Any: JSON
    """The folder's config.json. Raises ProgramError where there is none."""
    path = folder / "config.json"
    if not path.is_file():
        raise ProgramError(f"There is no {path}: give the path of a Hugging Face model folder.")
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config


def same_architecture(folder: Path, other: Path) -> bool:
    """Whether weights of `other` fit into an engine of `folder`."""
    told_apart = [
        {name: value for name, value in model_config(each).items() if name not in ABOUT_THE_FILE}
        for each in (folder, other)
    ]
    return told_apart[0] == told_apart[1] and engine_precision(folder) == engine_precision(other)


ABOUT_THE_FILE = {"_name_or_path", "transformers_version", "dtype", "torch_dtype"}
"""Entries of config.json that say nothing of the model."""
