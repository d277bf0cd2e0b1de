"""Live events through a real web server and Valkey: who hears what, and what it costs in quiet hours."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import psycopg
import pytest
import redis
from django.conf import settings
from django.db import connection, transaction
from django.test import Client
from psycopg.conninfo import make_conninfo

from accounts.models import Role, User
from accounts.services import user_create
from annotation.services import membership_set
from live.publishing import CHANNEL, Publisher, publish
from tests.alignment.factories import make_round
from tests.live.readers import Reader, cookies_of, serving

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]

AFRESH = ("afresh", "afresh")


def watch(story: Callable[[str], Coroutine[Any, Any, None]]) -> None:
    """Run the story of some readers, in a loop of its own: browser tests leave theirs running."""
    failed: list[BaseException] = []

    def run(url: str) -> None:
        try:
            asyncio.run(story(url))
        except BaseException as error:  # noqa: BLE001  # raised again below
            failed.append(error)

    with serving() as url:
        thread = threading.Thread(target=run, args=(url,))
        thread.start()
        thread.join(60)
    if failed:
        raise failed[0]


@contextlib.asynccontextmanager
async def reading(
    url: str, topics: str, cookies: dict[str, str], *, since: str = ""
) -> AsyncIterator[Reader]:
    """A stream that is open inside the block."""
    reader = Reader()
    task = asyncio.create_task(reader.read(url, topics, cookies, since=since))
    try:
        yield reader
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def admin_cookies() -> dict[str, str]:
    return cookies_of(user_create(username="lead", role=Role.ADMIN))


def test_a_page_hears_what_it_asked_for_and_only_after_the_commit() -> None:
    cookies, round_ = admin_cookies(), make_round()
    mine, other = f"round:{round_.pk}", f"round:{make_round().pk}"

    def change() -> None:
        with transaction.atomic():
            publish(mine, "rounds")
            publish(other)
            publish("rounds")
        with contextlib.suppress(ValueError), transaction.atomic():
            publish(mine)
            raise ValueError("never committed")
        connection.close()

    async def story(url: str) -> None:
        async with reading(url, f"{mine},rounds", cookies) as reader:
            await reader.until(AFRESH)
            await asyncio.to_thread(change)
            await reader.until(("changed", "rounds"))
            await asyncio.sleep(0.2)
            assert ("changed", mine) in reader.events
            assert ("changed", other) not in reader.events
            assert reader.events.count(("changed", mine)) == 1

    watch(story)


def test_a_page_that_comes_back_hears_exactly_what_it_missed_or_asks_afresh() -> None:
    cookies, round_ = admin_cookies(), make_round()
    topic = f"round:{round_.pk}"

    async def story(url: str) -> None:
        async with reading(url, "rounds", cookies) as stays:  # so that the server's subscription goes on
            await stays.until(AFRESH)
            async with reading(url, topic, cookies) as first:
                await first.until(AFRESH)
            async with reading(url, topic, cookies, since=first.last_id) as second:
                await second.until(("live", "live"))
            await asyncio.to_thread(publish, topic, "rounds")
            await stays.until(("changed", "rounds"))
            async with reading(url, topic, cookies, since=second.last_id) as third:
                await third.until(("changed", topic))
                assert third.events == [("changed", topic)]
            async with reading(url, topic, cookies, since="of-another-server-7") as fourth:
                await fourth.until(AFRESH)

    watch(story)


def test_fifty_open_pages_ask_the_database_nothing_and_hold_no_connection_while_nothing_happens() -> None:
    cookies, round_ = admin_cookies(), make_round()
    topic = f"round:{round_.pk}"

    async def story(url: str) -> None:
        async with contextlib.AsyncExitStack() as stack:
            readers = [await stack.enter_async_context(reading(url, topic, cookies)) for _ in range(50)]
            for reader in readers:
                await reader.until(AFRESH)
            before = await asyncio.to_thread(statements)
            await asyncio.sleep(2.5)
            assert await asyncio.to_thread(statements) == before
            assert (await asyncio.to_thread(subscriptions)) == 1
            await asyncio.to_thread(publish, topic)
            for reader in readers:
                await reader.until(("changed", topic))

    watch(story)


def statements() -> tuple[object, ...]:
    """How many connections others have to the test database, and when they last asked something."""
    names = {"dbname": "NAME", "user": "USER", "host": "HOST", "port": "PORT"}
    values = {name: str(settings.DATABASES["default"][key]) for name, key in names.items()}
    with psycopg.connect(make_conninfo(**values), autocommit=True) as looking:
        row = looking.execute(
            "SELECT count(*), max(query_start) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).fetchone()
    assert row is not None
    return row


def subscriptions() -> int:
    """How many processes hear the bus."""
    with redis.Redis.from_url(settings.CELERY_BROKER_URL) as client:
        return int(dict(client.pubsub_numsub(CHANNEL))[CHANNEL.encode()])


def test_the_stream_of_somebody_who_logs_out_ends_and_is_not_opened_again() -> None:
    user = user_create(username="lead", role=Role.ADMIN)
    cookies = cookies_of(user)

    def log_out() -> None:
        client = Client()
        client.cookies.load(cookies)
        assert client.post("/logout/").status_code == 302
        connection.close()

    async def story(url: str) -> None:
        async with reading(url, "rounds", cookies) as reader, reading(url, "rounds", cookies_other) as other:
            await reader.until(AFRESH)
            await other.until(AFRESH)
            await asyncio.to_thread(log_out)
            async with asyncio.timeout(10):
                while not reader.ended:
                    await asyncio.sleep(0.02)
            assert not other.ended
        async with reading(url, "rounds", cookies) as again, asyncio.timeout(10):
            while not again.ended:
                await asyncio.sleep(0.02)
            assert again.status == 401

    cookies_other = cookies_of(user)
    watch(story)


def test_events_of_a_round_are_for_those_who_may_see_it(client: Client) -> None:
    round_ = make_round()
    topic = f"/events/?topics=round:{round_.pk}"
    assert client.get(topic).status_code == 401
    member, outsider = (user_create(username=name, role=Role.ANNOTATOR) for name in ("member", "outsider"))
    membership_set(round_.project, member, Role.ANNOTATOR)
    expected: list[tuple[User, int, str]] = [
        (member, 403, topic),
        (outsider, 404, topic),
        (outsider, 403, "/events/?topics=rounds"),
        (user_create(username="lead", role=Role.ADMIN), 204, topic),
    ]
    for user, status, url in expected:
        client.force_login(user)
        assert client.get(url).status_code == status, (user.username, url)
    for wrong in ("", "?topics=nothing:1", "?topics=round:x", f"?topics=round:{round_.pk + 1}"):
        assert client.get(f"/events/{wrong}").status_code in (404, 422), wrong


def test_a_bus_that_is_away_keeps_nobody_waiting() -> None:
    publisher = Publisher("redis://127.0.0.1:9/0")
    for _ in range(100):
        publisher.say("rounds")
