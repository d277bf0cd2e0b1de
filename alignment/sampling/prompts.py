"""The prompts of a sampling program: read, checked, cut into chunks. Pure: no torch, no vLLM."""

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from alignment.programs import EngineConfig, SamplingConfig
from alignment.records import PromptRecord
from alignment.sampling.options import model_limit
from annotation.records import read_records
from pretrain.encoders import encoder_for
from pretrain.run import ProgramError

T = TypeVar("T")


def read_prompts(path: Path) -> list[PromptRecord]:
    """The prompts of a JSONL file. Raises ProgramError where there are none, or an id comes twice."""
    try:
        prompts = list(read_records(path, PromptRecord))
    except FileNotFoundError as error:
        raise ProgramError(f"There is no {path}: give a JSONL file of prompts.") from error
    except ValidationError as error:
        raise ProgramError(f"{path} holds a line that is no prompt: {error.errors()[0]['msg']}.") from error
    if not prompts:
        raise ProgramError(f"{path} holds no prompts: give at least one.")
    if len({prompt.id for prompt in prompts}) < len(prompts):
        raise ProgramError(f"{path} holds an id twice: give every prompt its own.")
    return prompts


def fitting(
    prompts: Sequence[PromptRecord], policy: Path, engine: EngineConfig, sampling: SamplingConfig
) -> tuple[list[PromptRecord], int]:
    """The prompts that leave the policy room for an answer, and how many do not."""
    encoder = encoder_for(policy)
    longest = model_limit(policy, engine) - sampling.max_tokens
    kept = [prompt for prompt in prompts if len(encoder.encode_context(prompt.context)) <= longest]
    return kept, len(prompts) - len(kept)


def chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    """`items` cut into rows of `size`, the last one shorter."""
    return [items[start : start + size] for start in range(0, len(items), size)]
