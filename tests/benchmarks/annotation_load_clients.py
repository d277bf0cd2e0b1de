"""People at the API as cheap programs: one asyncio loop, a kept connection each, no HTTP library.

They share two cores with the server and the database, so what they cost is taken from what is measured.
Comes in: where the site answers and the people's tokens. Goes out: what each request took, what was
acknowledged, and what should not have happened.
"""

import asyncio
import json
import random
import time
import uuid
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, TypeVar

import uvloop

ResultT = TypeVar("ResultT")
Json = Any
"""What the API sends."""

SECONDS_BEFORE_REPEAT = 0.05
MOST_REPEATS = 400
SECONDS_TO_ANSWER = 60.0
SECONDS_TO_LOOK_AGAIN = 0.1


@dataclass(frozen=True, kw_only=True)
class Acknowledged:
    """A judgement that the server said it has."""

    judgement: int
    comparison: int
    person: int
    preferred: str
    strength: str


@dataclass(kw_only=True)
class Tally:
    """What all clients of one case saw."""

    next_seconds: list[float] = field(default_factory=list)
    judgement_seconds: list[float] = field(default_factory=list)
    acknowledged: list[Acknowledged] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """Answers that should not be: any 5xx, and any other status than the work expects."""
    drops: int = 0
    """Connections that a client dropped on purpose."""
    repeats: int = 0
    """Requests sent again because no answer came."""

    def clear(self) -> None:
        """Forget the times: what came before was to warm up."""
        self.next_seconds.clear()
        self.judgement_seconds.clear()


class Wire:
    """One kept connection to the site."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def send(self, method: str, path: str, headers: str, body: bytes = b"") -> None:
        """Write one request."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self.host, self.port)
        head = (
            f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)

    async def answer(self) -> tuple[int, bytes]:
        """Read the answer: its status and body."""
        assert self._reader is not None
        head = await self._reader.readuntil(b"\r\n\r\n")
        length, close = 0, False
        for line in head.lower().split(b"\r\n")[1:]:
            if line.startswith(b"content-length:"):
                length = int(line[15:])
            elif line == b"connection: close":
                close = True
        body = await self._reader.readexactly(length) if length else b""
        if close:
            self.drop()
        return int(head[9:12]), body

    def drop(self) -> None:
        """Tear the connection down without a word."""
        if self._writer is not None:
            self._writer.transport.abort()
        self._reader = self._writer = None


class Person:
    """Asks for comparisons and judges them; repeats what got no answer, like the page does."""

    authorization = "Bearer"
    """How the site wants the token to be called."""

    def __init__(
        self, *, number: int, token: str, slug: str, wire: Wire, tally: Tally, drop_share: float = 0.0
    ) -> None:
        self.number = number
        self.slug = slug
        self.wire = wire
        self.tally = tally
        self.drop_share = drop_share
        self._draw = random.Random(number)
        self._headers = f"Authorization: {self.authorization} {token}\r\nContent-Type: application/json\r\n"

    async def cycle(self) -> bool:
        """One comparison from asking to judging; False where there was none."""
        handed = await self.ask_next()
        if handed is not None:
            await self.judge(handed)
        return handed is not None

    async def ask_next(self) -> Json | None:
        """The comparison handed out, or None."""
        began = time.perf_counter()
        status, body = await self._ask("POST", f"/api/v1/projects/{self.slug}/next")
        if status != 200:
            if status != 204:
                self.tally.errors.append(f"next: {status} {body[:200]!r}")
            return None
        self.tally.next_seconds.append(time.perf_counter() - began)
        return json.loads(body)["comparison"]

    async def judge(self, comparison: Json) -> None:
        """Say something about it, until the server says that it has that."""
        preferred, strength = self._opinion()
        body = {"lease": comparison["lease"], "preferred": preferred, "strength": strength, "seconds": 7}
        key = f"Idempotency-Key: {uuid.UUID(int=self._draw.getrandbits(128))}\r\n"
        began = time.perf_counter()
        path = f"/api/v1/comparisons/{comparison['id']}/judgement"
        status, answer = await self._ask("POST", path, json.dumps(body).encode(), key)
        if status not in (200, 201):
            self.tally.errors.append(f"judgement: {status} {answer[:200]!r}")
            return
        self._acknowledge(began, json.loads(answer)["id"], comparison["id"], preferred, strength)

    def _opinion(self) -> tuple[str, str]:
        strengths = ["significantly_better", "better", "slightly_better"]
        return self._draw.choice(["left", "right"]), self._draw.choice(strengths)

    def _acknowledge(
        self, began: float, judgement: int, comparison: int, preferred: str, strength: str
    ) -> None:
        """The server has it, by an answer to what was asked at `began`."""
        self.tally.judgement_seconds.append(time.perf_counter() - began)
        self.tally.acknowledged.append(
            Acknowledged(
                judgement=judgement,
                comparison=comparison,
                person=self.number,
                preferred=preferred,
                strength=strength,
            )
        )

    async def _ask(self, method: str, path: str, body: bytes = b"", headers: str = "") -> tuple[int, bytes]:
        """Until there is an answer: connections break, and this person breaks some on purpose."""
        for _ in range(MOST_REPEATS):
            try:
                await self.wire.send(method, path, self._headers + headers, body)
                if self._draw.random() < self.drop_share:
                    await asyncio.sleep(self._draw.uniform(0, 0.03))
                    self.tally.drops += 1
                    self.wire.drop()
                    continue
                return await asyncio.wait_for(self.wire.answer(), SECONDS_TO_ANSWER)
            except (OSError, asyncio.IncompleteReadError):
                self.wire.drop()
                self.tally.repeats += 1
                await asyncio.sleep(SECONDS_BEFORE_REPEAT)
        raise AssertionError(f"{method} {path} got no answer in {MOST_REPEATS} tries.")


async def work_for(people: Sequence[Person], seconds: float) -> float:
    """Everybody works for so long; returns the seconds that it took."""
    began = time.perf_counter()

    async def work(person: Person) -> None:
        while time.perf_counter() - began < seconds and await person.cycle():
            pass

    await asyncio.gather(*(work(person) for person in people))
    return time.perf_counter() - began


async def work_through(
    people: Sequence[Person], cycles: int, *, kills: int = 0, kill: Callable[[], None] = lambda: None
) -> float:
    """Everybody works until `cycles` judgements are acknowledged; `kill` is called `kills` times between.

    Returns the seconds that it took. A person to whom nothing is left looks again until all are done.
    """
    began = time.perf_counter()
    done = count(1)
    reached = 0
    marks = [round(cycles * (number + 1) / (kills + 1)) for number in range(kills)]

    async def work(person: Person) -> None:
        nonlocal reached
        while reached < cycles:
            if not await person.cycle():
                await asyncio.sleep(SECONDS_TO_LOOK_AGAIN)
                continue
            reached = next(done)
            if marks and reached >= marks[0]:
                marks.pop(0)
                kill()

    await asyncio.gather(*(work(person) for person in people))
    return time.perf_counter() - began


def people_at_work(
    host: str, port: int, slug: str, tokens: Sequence[tuple[int, str]], *, drop_share: float = 0.0
) -> tuple[list[Person], Tally]:
    """Somebody for each (id, token), and their common tally."""
    tally = Tally()
    people = [
        Person(
            number=number, token=token, slug=slug, wire=Wire(host, port), tally=tally, drop_share=drop_share
        )
        for number, token in tokens
    ]
    return people, tally


def run(people: Sequence[Person], work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run `work` of these people in a loop of its own, and close their connections."""

    async def work_and_close() -> ResultT:
        try:
            return await work
        finally:
            for person in people:
                person.wire.drop()
            await asyncio.sleep(0)

    return uvloop.run(work_and_close())
