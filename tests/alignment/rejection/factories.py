"""Prompts, configurations and candidates in a few words."""

from pathlib import Path
from typing import Any

from alignment.programs import RejectionConfig, SamplingConfig
from alignment.records import Candidate, CandidateSet, Finish, PromptRecord, Refusal
from annotation.records import Message


def make_prompt(
    key: str, *, domain: str = "sums", language: str = "en", text: str = "What is 2 + 2?", system: str = ""
) -> PromptRecord:
    """A prompt of one user message."""
    before = (Message(role="system", content=system),) if system else ()
    context = (*before, Message(role="user", content=text))
    return PromptRecord(id=key, domain=domain, language=language, context=context)


def make_config(**values: object) -> RejectionConfig:
    """A configuration of models that are not there."""
    told: dict[str, Any] = {
        "policy": Path("/newest"),
        "policy_name": "newest",
        "reward_model": Path("/reward"),
        "prompts": Path("/prompts.jsonl"),
        "num_candidates": 16,
        "sampling": SamplingConfig(max_tokens=100, seed=7),
        "out": Path("/candidates.jsonl"),
        **values,
    }
    return RejectionConfig.model_validate(told)


def make_set(
    prompt: PromptRecord,
    *rewards: float,
    best: int | None = 0,
    finish: Finish = "stop",
    refused: Refusal | None = None,
    num_tokens: int = 2,
) -> CandidateSet:
    """Candidates of these rewards, all of one kind."""
    return CandidateSet(
        prompt=prompt,
        candidates=tuple(
            Candidate(
                content=str(reward), num_tokens=num_tokens, finish=finish, reward=reward, refused=refused
            )
            for reward in rewards
        ),
        best=best,
        policy="newest",
    )
