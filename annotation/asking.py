"""Asking deployed models for pairs of answers: which two, on which side, and what they said.

Comes in: contexts, deployments, a seed a context. Goes out: a pair a context, or why there is none. No
database: who calls this must not hold a transaction, for models take their time.
"""

import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import httpx

from accounts.errors import Conflict
from annotation.records import Message
from annotation.text import storable
from registry.client import IMPATIENT, TIMEOUT, ChatClient, Completion
from registry.models import Deployment

Context = Sequence[Message]


class PairSampling(Protocol):
    """How the answers are drawn; a round's recipe has one of these."""

    @property
    def temperature(self) -> float: ...

    @property
    def top_p(self) -> float: ...

    @property
    def max_tokens(self) -> int: ...

    @property
    def seed(self) -> int: ...


class Asked(Protocol):
    """What answers: `registry.client.ChatClient`, or a stand-in of it."""

    def complete(
        self,
        contexts: Sequence[Context],
        *,
        n: int,
        temperature: float,
        top_p: float,
        max_tokens: int,
        seed: int | None,
    ) -> list[list[Completion]]: ...


ClientFor = Callable[[Deployment], Asked]


class Unusable(StrEnum):
    """Why two answers make no comparison."""

    EMPTY = "an empty answer"
    IDENTICAL = "identical answers"


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Two different models, each on its side, and the seed that decided it."""

    seed: int
    left: Deployment
    right: Deployment
    release: int | None = None
    """The project's release that both are of; None where it has none."""


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two answers to one context."""

    draw: Draw
    left: Completion
    right: Completion


def chat_client(deployment: Deployment) -> ChatClient:
    """The client of a live deployment: its checkpoint answers, or nobody does."""
    return _client(deployment, TIMEOUT)


def impatient_client(deployment: Deployment) -> ChatClient:
    """The same for an answer that a person waits for."""
    return _client(deployment, IMPATIENT)


def _client(deployment: Deployment, timeout: httpx.Timeout) -> ChatClient:
    checkpoint = deployment.checkpoint
    return ChatClient(
        deployment.base_url,
        deployment.served_name,
        Path(checkpoint.path),
        checkpoint=checkpoint.content_hash,
        timeout=timeout,
    )


def draw_models(deployments: Sequence[Deployment], seed: int, *, release: int | None = None) -> Draw:
    """Two deployments of different checkpoints and their sides, decided by `seed` alone.

    Raises Conflict where there are no two.
    """
    ordered = sorted(deployments, key=lambda deployment: deployment.pk)
    choices = [
        (left, right) for left in ordered for right in ordered if left.checkpoint_id != right.checkpoint_id
    ]
    if not choices:
        raise Conflict(
            "Two different live models are needed to make a comparison: deploy another one for the project."
        )
    left, right = random.Random(seed).choice(choices)
    return Draw(seed=seed, left=left, right=right, release=release)


def pairs_ask(
    contexts: Sequence[Context],
    draws: Sequence[Draw],
    sampling: PairSampling,
    *,
    client_for: ClientFor = chat_client,
) -> list[Pair | Unusable]:
    """Ask each context's two models, every model with all its contexts at once, side by side.

    Returns for each context its pair, or why the answers make none. The answers' own randomness is left to
    the servers: one seed for a request would give all its contexts the same draws.
    """
    deployments = {deployment.pk: deployment for draw in draws for deployment in (draw.left, draw.right)}
    asked = {
        pk: [index for index, draw in enumerate(draws) if pk in (draw.left.pk, draw.right.pk)]
        for pk in deployments
    }

    def ask(pk: int) -> dict[int, Completion]:
        answers = client_for(deployments[pk]).complete(
            [contexts[index] for index in asked[pk]],
            n=1,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            seed=None,
        )
        return {index: answer[0] for index, answer in zip(asked[pk], answers, strict=True)}

    with ThreadPoolExecutor(max_workers=max(1, len(deployments))) as pool:
        answers = dict(zip(deployments, pool.map(ask, deployments), strict=True))
    return [
        _pair(draw, answers[draw.left.pk][index], answers[draw.right.pk][index])
        for index, draw in enumerate(draws)
    ]


def _pair(draw: Draw, left: Completion, right: Completion) -> Pair | Unusable:
    if not all(answer.content.strip() and storable(answer.content) for answer in (left, right)):
        return Unusable.EMPTY
    if (left.content.strip(), left.tool_call) == (right.content.strip(), right.tool_call):
        return Unusable.IDENTICAL
    return Pair(draw=draw, left=left, right=right)
