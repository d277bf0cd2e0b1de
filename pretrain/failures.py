"""What a program's error means for people: one sentence that says what to do, and whether it may pass.

Comes in: the exception that ended a program. Goes out: a Failure. Errors of torch, CUDA and safetensors are
told by their names and words, so that nothing heavy is imported.
"""

import errno
from dataclasses import dataclass

from pydantic import ValidationError


class ProgramError(Exception):
    """What a user can mend: one sentence that says what is wrong and what to do."""


class TransientError(ProgramError):
    """What may pass by itself when the program is started again."""


NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""The disk is full, the user's share of it is, or a file may not become so large."""

CPU_MEMORY = ("can't allocate memory", "DefaultCPUAllocator", "Cannot allocate memory")
GPU_MEMORY = ("CUDA out of memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")
VLLM_MEMORY = (
    "No available memory for the cache blocks",
    "Free memory on device",
    "larger than the available KV",
)
NO_GPU = (
    "No CUDA GPUs are available",
    "Found no NVIDIA driver",
    "no CUDA-capable device",
    "not compiled with CUDA",
)
GPU_LOST = ("CUDA error", "NCCL error", "cuDNN error", "uncorrectable ECC", "GPU is lost")
DAMAGED = (
    "Error while deserializing header",
    "InvalidHeader",
    "MetadataIncompleteBuffer",
    "PytorchStreamReader",
)

LESS_MEMORY = (
    "let fewer programs run at once, lower max_tokens_per_microbatch (training) or engine.kv_cache_gib "
    "(sampling), set recompute_activations, or take a machine with more memory; then retry"
)
MISSING_GPU = (
    "There is no GPU that can be used here: start the worker on a machine with one and a build of torch for "
    "it, or set device (engine.device for sampling) to auto in the recipe; then retry."
)


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a program ended."""

    sentence: str
    may_pass: bool = False
    """Whether the same program may succeed when it is started again, with nothing changed by anyone."""


def explain(error: BaseException) -> Failure:
    """The failure that an exception means."""
    if isinstance(error, ProgramError):
        return Failure(sentence=str(error), may_pass=isinstance(error, TransientError))
    told = f"{type(error).__name__}: {error}"
    if isinstance(error, OSError) and error.errno in NO_SPACE:
        where = error.filename or "the run folder or the checkpoints"
        return Failure(sentence=f"The disk of {where} is full: free space on it, then retry.")
    if is_out_of_memory(error, told):
        where = "The GPU" if any(words in told for words in (*GPU_MEMORY, *VLLM_MEMORY)) else "The machine"
        return Failure(sentence=f"{where} ran out of memory: {LESS_MEMORY}. ({first_line(told)})")
    if any(words in told for words in NO_GPU):
        return Failure(sentence=f"{MISSING_GPU} ({first_line(told)})")
    if any(words in told for words in GPU_LOST):
        return Failure(
            sentence="The GPU failed: look at it with nvidia-smi and in the kernel's log. "
            f"({first_line(told)})",
            may_pass=True,
        )
    if isinstance(error, FileNotFoundError):
        return Failure(
            sentence=f"There is no {error.filename}: a file that this program reads was moved or removed. "
            "Put it back, or retry an earlier stage that makes it."
        )
    if isinstance(error, PermissionError):
        return Failure(
            sentence=f"{error.filename} may not be opened: let the worker's user read its inputs and write "
            "its run folder, then retry."
        )
    if type(error).__name__ == "SafetensorError" or any(words in told for words in DAMAGED):
        return Failure(
            sentence=f"A file of weights is damaged: copy or make the model again, then retry. "
            f"({first_line(told)})"
        )
    if isinstance(error, ValidationError):
        return Failure(
            sentence=f"A line of an input file is no {error.title}: {broken_field(error)}. Mend the line, or "
            "retry the stage that writes the file."
        )
    if isinstance(error, ConnectionError | TimeoutError):
        return Failure(sentence=f"A connection was lost. ({first_line(told)})", may_pass=True)
    return Failure(sentence=told)


def broken_field(error: ValidationError) -> str:
    """The first thing that is wrong with a record."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the whole'}: {first['msg']}"


def is_out_of_memory(error: BaseException, told: str) -> bool:
    """Whether memory ran out, the machine's or a GPU's."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return any(words in told for words in (*CPU_MEMORY, *GPU_MEMORY, *VLLM_MEMORY))


def first_line(told: str) -> str:
    """The first line, for torch and vLLM tell pages; at most 300 characters."""
    return told.strip().splitlines()[0][:300]
