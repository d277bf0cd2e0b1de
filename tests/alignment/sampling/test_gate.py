"""The gate of a model server, in front of an application that answers everything."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import httpx

from alignment.sampling.gate import Gate, Receive, Scope, Send, reply


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    await reply(send, 200, b'"answered"')


def statuses(*requests: tuple[str, str | None]) -> list[int]:
    """The statuses of requests (path, key) sent one after the other."""

    async def ask() -> list[int]:
        transport = httpx.ASGITransport(app=Gate(answering))
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            return [
                (await client.post(path, headers={"X-Gate-Key": key} if key else {})).status_code
                for path, key in requests
            ]

    return asyncio.run(ask())


def test_an_open_gate_lets_everybody_through() -> None:
    assert statuses(("/v1/completions", None), ("/health", None)) == [200, 200]


def test_a_closed_gate_refuses_all_but_who_closed_it() -> None:
    assert statuses(
        ("/gate/close", "key"),
        ("/v1/completions", None),
        ("/v1/completions", "other"),
        ("/v1/completions", "key"),
        ("/health", None),
    ) == [200, 503, 503, 200, 200]


def test_an_opened_gate_lets_everybody_through_again() -> None:
    assert statuses(("/gate/close", "key"), ("/gate/open", "key"), ("/v1/completions", None))[-1] == 200


def test_the_gate_is_closed_once_what_came_before_is_answered() -> None:
    async def close_while_one_is_asking() -> list[str]:
        events: list[str] = []
        go_on = asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            await go_on.wait()
            events.append("answered")
            await reply(send, 200, b"{}")

        async def send(event: MutableMapping[str, Any]) -> None:
            if "status" in event:
                events.append(str(event["status"]))

        gate = Gate(slow)
        headers = [(b"x-gate-key", b"key")]
        asking = asyncio.create_task(gate(request("/v1/completions", []), receive_nothing, send))
        await asyncio.sleep(0)
        closing = asyncio.create_task(gate(request("/gate/close", headers), receive_nothing, send))
        await asyncio.sleep(0)
        await gate(request("/v1/completions", []), receive_nothing, send)
        go_on.set()
        await asyncio.gather(asking, closing)
        return events

    assert asyncio.run(close_while_one_is_asking()) == ["503", "answered", "200", "200"]


def request(path: str, headers: list[tuple[bytes, bytes]]) -> Scope:
    return {"type": "http", "path": path, "headers": headers}


async def receive_nothing() -> MutableMapping[str, Any]:
    raise AssertionError("The gate reads no body.")
