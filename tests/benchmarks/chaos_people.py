"""People who judge while everything is being killed, and a receiver of webhooks that counts what it is told.

Comes in: where the site answers, the people's tokens. Goes out: what was acknowledged, and the events heard.
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.benchmarks.annotation_load_clients import Person, Tally, Wire, run
from tests.webhooks.receiver import Receiver

SECONDS_TO_ASK_AGAIN = 0.25
SECONDS_BETWEEN_JUDGEMENTS = 0.2
"""People take their time; these leave the cores to the round."""

SECONDS_TO_SETTLE = 1.0
NUM_TRIES = 2000
AWAY = frozenset({500, 502, 503, 504})
"""What the site answers while a part of it is away: the same may be asked again."""


class PatientPerson(Person):
    """Asks the same again, under the same key, until the site is back."""

    async def put_aside(self) -> None:
        """Skip what is in hand."""
        handed = await self.ask_next()
        if handed is not None:
            body = json.dumps({"lease": handed["lease"]}).encode()
            await self._ask("POST", f"/api/v1/comparisons/{handed['id']}/skip", body)

    async def _ask(self, method: str, path: str, body: bytes = b"", headers: str = "") -> tuple[int, bytes]:
        for _ in range(NUM_TRIES):
            status, answer = await super()._ask(method, path, body, headers)
            if status not in AWAY:
                return status, answer
            self.tally.repeats += 1
            await asyncio.sleep(SECONDS_TO_ASK_AGAIN)
        raise AssertionError(f"{method} {path} was answered with {status} {NUM_TRIES} times.")


class PeopleAtWork:
    """A thread in which people judge until they are told to stop; each ends what is in hand."""

    def __init__(self, host: str, port: int, slug: str, tokens: Sequence[tuple[int, str]]) -> None:
        self.tally = Tally()
        self._people = [
            PatientPerson(
                number=number,
                token=token,
                slug=slug,
                wire=Wire(host, port),
                tally=self.tally,
                drop_share=0.05,
            )
            for number, token in tokens
        ]
        self._over = threading.Event()
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="people")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._failed is not None and error is None:
            raise self._failed

    def put_aside(self) -> None:
        """Everybody skips what is in hand; for when all have ended."""
        run(self._people, self._put_aside())

    def write_acknowledged(self, path: Path) -> Path:
        """What the site said that it has, as JSON."""
        path.write_text(json.dumps([asdict(one) for one in self.tally.acknowledged]))
        return path

    def _work(self) -> None:
        try:
            run(self._people, self._all())
        except BaseException as error:  # noqa: BLE001  # told to the thread that waits for the people
            self._failed = error

    async def _all(self) -> None:
        await asyncio.gather(*(self._judge(person) for person in self._people))
        # A request whose connection was dropped may have been given a comparison that nobody was told of.
        await asyncio.sleep(SECONDS_TO_SETTLE)
        await self._put_aside()

    async def _put_aside(self) -> None:
        await asyncio.gather(*(person.put_aside() for person in self._people))

    async def _judge(self, person: PatientPerson) -> None:
        while not self._over.is_set():
            await person.cycle()
            await asyncio.sleep(SECONDS_BETWEEN_JUDGEMENTS)


@dataclass(frozen=True, kw_only=True)
class Heard:
    """Events that came, each message counted once: a receiver drops what comes again under the same id."""

    judgements: Counter[int]
    """How many messages told of each judgement."""
    rounds: Counter[tuple[str, int]]
    """How many messages told of each (event, round)."""
    repeats: int
    """Deliveries of a message that had come already: allowed, at least once is the promise."""


def heard(receiver: Receiver) -> Heard:
    """What the receiver was told until now."""
    messages = [json.loads(body) for _, _, body in list(receiver.requests)]
    once = {message["id"]: message for message in messages}
    judgements: Counter[int] = Counter()
    rounds: Counter[tuple[str, int]] = Counter()
    for message in once.values():
        data = message["data"]
        if message["event"] == "judgement.submitted":
            judgements[int(data["judgement"])] += 1
        else:
            rounds[message["event"], int(data["round"])] += 1
    return Heard(judgements=judgements, rounds=rounds, repeats=len(messages) - len(once))


def num_lost_and_doubled(told: Heard, judgements: Sequence[int], rounds: Sequence[int]) -> tuple[int, int]:
    """How many events of these judgements and finished rounds did not come, or came as two messages."""
    wanted = Counter({("round.finished", each): 1 for each in rounds})
    lost = sum(not told.judgements[each] for each in judgements) + (wanted - told.rounds).total()
    doubled = sum(number - 1 for number in told.judgements.values()) + (told.rounds - wanted).total()
    return lost, doubled
