"""Simulated annotators at work: each asks for a comparison and judges it over the HTTP API, like a person.

Comes in: the site's address, a project, API tokens, the world. Goes out: judgements, through the same
requests that the pages and any other client send. Broken connections are tried again by the client, so
that no judgement is lost or counted twice.
"""

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

from accord_client import AccordClient, Comparison, Conflict, Forbidden
from demo.judging import Annotator, QuestionBook, asked_question, draw_annotators, judge, question_book
from demo.world import World

WAIT_SECONDS = 0.5
"""How long an annotator rests when there is nothing to judge."""
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
    failed: bool = field(default=False, init=False)
    """Somebody cannot go on: the others need not either."""
    lock: Lock = field(default_factory=Lock, init=False)

    def add_judgement(self) -> None:
        """Count one more judgement and show it."""
        with self.lock:
            self.done += 1
            self.progress(self.done, self.num_judgements)

    @property
    def closed(self) -> bool:
        """Whether the annotators may go home."""
        return self.failed or self.done >= self.num_judgements or self.is_over()


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

    Raises AccordClientError where the site stays out of reach or refuses what a person may do.
    """
    desk = Desk(
        project=project,
        book=question_book(world),
        num_judgements=num_judgements,
        is_over=is_over,
        progress=progress,
    )
    annotators = draw_annotators(len(tokens), seed, edit_rate=EDIT_RATE)
    with ThreadPoolExecutor(max_workers=max(len(tokens), 1)) as pool:
        people = [
            pool.submit(_work, web_url, token, desk, annotator, random.Random(f"annotator {seed} {number}"))
            for number, (token, annotator) in enumerate(zip(tokens, annotators, strict=True))
        ]
    for person in people:
        person.result()
    return desk.done


def _work(web_url: str, token: str, desk: Desk, annotator: Annotator, draw: random.Random) -> None:
    try:
        with AccordClient(web_url, token) as client:
            while not desk.closed:
                comparison = client.next(desk.project)
                if comparison is None:
                    time.sleep(WAIT_SECONDS)
                elif _judge(client, desk, comparison, annotator, draw):
                    desk.add_judgement()
    except BaseException:
        desk.failed = True
        raise


def _judge(
    client: AccordClient, desk: Desk, comparison: Comparison, annotator: Annotator, draw: random.Random
) -> bool:
    """Judge one comparison; False where others were quicker or the lease ran out."""
    started = time.monotonic()
    question = asked_question(desk.book, [message.model_dump() for message in comparison.context])
    verdict = judge(question, comparison.left.content, comparison.right.content, annotator, draw)
    try:
        client.judge(
            comparison,
            preferred=verdict.preferred,
            strength=verdict.strength,
            edited=verdict.edited,
            seconds=round(time.monotonic() - started, 3),
        )
    except (Conflict, Forbidden):
        return False
    return True
