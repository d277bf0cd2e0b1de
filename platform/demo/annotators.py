"""Simulated annotators at work: each asks for a comparison and judges it over the HTTP API, like a person.

Comes in: the site's address, a project, API tokens, the world. Goes out: judgements, through the same
requests that the pages and any other client send. Broken connections are tried again with the same
Idempotency-Key, so that no judgement is lost or counted twice.
"""

import asyncio
import random
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx

from demo.judging import Annotator, QuestionBook, asked_question, draw_annotators, judge, question_book
from demo.world import World

WAIT_SECONDS = 0.5
"""How long an annotator rests when there is nothing to judge."""
NUM_TRIES = 8
"""How often one request is sent before the connection is given up."""
TIMEOUT_SECONDS = 30.0
EDIT_RATE = 0.2


@dataclass(kw_only=True)
class Desk:
    """What the annotators of one round share."""

    project: str
    book: QuestionBook
    num_judgements: int
    is_over: Callable[[], bool]
    progress: Callable[[int, int], None]
    done: int = field(default=0, init=False)

    def add_judgement(self) -> None:
        """Count one more judgement and show it."""
        self.done += 1
        self.progress(self.done, self.num_judgements)

    @property
    def closed(self) -> bool:
        """Whether the annotators may go home."""
        return self.done >= self.num_judgements or self.is_over()


def annotators_work(
    *,
    web_url: str,
    project: str,
    tokens: Sequence[str],
    world: World,
    seed: int,
    is_over: Callable[[], bool],
    num_judgements: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> int:
    """Let one annotator for each token judge at once until there are `num_judgements`; how many there are.

    Raises httpx.HTTPError where the site stays out of reach or refuses what a person may do.
    """
    desk = Desk(
        project=project,
        book=question_book(world),
        num_judgements=num_judgements,
        is_over=is_over,
        progress=progress,
    )
    asyncio.run(_all_work(web_url, tokens, desk, seed))
    return desk.done


async def _all_work(web_url: str, tokens: Sequence[str], desk: Desk, seed: int) -> None:
    annotators = draw_annotators(len(tokens), seed, edit_rate=EDIT_RATE)
    async with asyncio.TaskGroup() as group:
        for number, (token, annotator) in enumerate(zip(tokens, annotators, strict=True)):
            draw = random.Random(f"annotator {seed} {number}")
            group.create_task(_one_works(web_url, token, desk, annotator, draw))


async def _one_works(web_url: str, token: str, desk: Desk, annotator: Annotator, draw: random.Random) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(
        base_url=f"{web_url.rstrip('/')}/api/v1", headers=headers, timeout=TIMEOUT_SECONDS
    ) as client:
        while not desk.closed:
            comparison = await _next_comparison(client, desk.project)
            if comparison is None:
                await asyncio.sleep(WAIT_SECONDS)
            elif await _judge(client, desk, comparison, annotator, draw):
                desk.add_judgement()


async def _next_comparison(client: httpx.AsyncClient, project: str) -> dict[str, Any] | None:  # Any: JSON
    response = await _post(client, f"/projects/{project}/next", body={})
    if response.status_code == httpx.codes.NO_CONTENT:
        return None
    comparison: dict[str, Any] = response.raise_for_status().json()["comparison"]
    return comparison


async def _judge(
    client: httpx.AsyncClient,
    desk: Desk,
    comparison: dict[str, Any],  # Any: JSON
    annotator: Annotator,
    draw: random.Random,
) -> bool:
    """Judge one comparison; False where others were quicker or the lease ran out."""
    started = time.monotonic()
    question = asked_question(desk.book, comparison["context"])
    verdict = judge(question, comparison["left"]["content"], comparison["right"]["content"], annotator, draw)
    body = {
        "lease": comparison["lease"],
        "preferred": verdict.preferred,
        "strength": verdict.strength,
        "edited": verdict.edited,
        "reasons": [],
        "comment": "",
        "seconds": round(time.monotonic() - started, 3),
    }
    response = await _post(
        client, f"/comparisons/{comparison['id']}/judgement", body=body, key=str(uuid.uuid4())
    )
    if response.status_code in (httpx.codes.CONFLICT, httpx.codes.FORBIDDEN):
        return False
    response.raise_for_status()
    return True


async def _post(
    client: httpx.AsyncClient,
    path: str,
    *,
    body: dict[str, Any],
    key: str | None = None,  # Any: JSON
) -> httpx.Response:
    """POST, and again after a pause where the connection breaks or the site is not ready."""
    headers = {"Idempotency-Key": key} if key else {}
    for number in range(NUM_TRIES):
        try:
            response = await client.post(path, json=body, headers=headers)
        except httpx.TransportError:
            if number == NUM_TRIES - 1:
                raise
        else:
            if response.status_code not in (httpx.codes.BAD_GATEWAY, httpx.codes.SERVICE_UNAVAILABLE):
                return response
        await asyncio.sleep(0.1 * 2**number)
    return response.raise_for_status()
